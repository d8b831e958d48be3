// Keys of TCP-AO (RFC 5925) as they are configured: of one peer, and where peers and listen ranges meet. No secret is in what is
// said.

import { contains, parsePrefix } from '../../inet/index.ts'
import type { ConfigIssue, PeerConfig, SpeakerConfig, TcpAoKey } from '../types.ts'
import { bareAddress } from './addresses.ts'

type Add = (field: string, value: unknown, reason: string, fix: string) => void

/** The least and the most octets of a code: fewer can be guessed, more do not fit beside the other options of a SYN. */
const [LEAST_MACLEN, MOST_MACLEN] = [4, 16]

const algorithms: readonly TcpAoKey['algorithm'][] = ['hmac-sha1', 'aes-128-cmac', 'hmac-sha256']

export function checkTcpAo({ tcpAo, secret }: PeerConfig, add: Add): void {
  if (tcpAo === undefined) return
  if (secret !== undefined) {
    const reason = 'a connection has keys of TCP-AO or one of TCP-MD5 (RFC 5925 §1.1)'
    add('tcpAo', '(not shown)', reason, 'remove secret, or tcpAo')
  }
  if (tcpAo.length === 0) add('tcpAo', [], 'there is no key in it', 'give one, or leave it out')
  if (tcpAo.filter(key => key.preferred).length > 1) {
    add('tcpAo', '(not shown)', 'more than one key is preferred', 'keep one, or none for the first')
  }
  for (const [i, key] of tcpAo.entries()) {
    checkKey(key, `tcpAo[${i}]`, add)
    for (const field of ['sendId', 'receiveId'] as const) {
      if (tcpAo.findIndex(other => other[field] === key[field]) === i) continue
      add(`tcpAo[${i}].${field}`, key[field], 'another key of the peer has it (RFC 5925 §3.1)', 'give each key its own')
    }
  }
}

function checkKey({ sendId, receiveId, secret, algorithm, maclen = 12 }: TcpAoKey, at: string, add: Add): void {
  for (const [field, id] of Object.entries({ sendId, receiveId })) {
    if (isWithin(id, 0, 255)) continue
    add(`${at}.${field}`, id, 'it is no id of a key (RFC 5925 §3.1)', 'give 0 to 255')
  }
  if (!algorithms.includes(algorithm)) {
    add(`${at}.algorithm`, algorithm, 'it is no algorithm that is known', `use ${algorithms.join(', ')}`)
  }
  const octets = typeof secret === 'string' ? new TextEncoder().encode(secret).length : 0
  if (octets < 1 || octets > 80) {
    add(`${at}.secret`, `(${octets} octets)`, 'the kernel takes no such key', 'give one of 1 to 80 octets')
  }
  if (!isWithin(maclen, LEAST_MACLEN, MOST_MACLEN)) {
    const reason = 'it is no length of a code that is safe and fits into a SYN (RFC 5925 §2.2)'
    add(`${at}.maclen`, maclen, reason, `give ${LEAST_MACLEN} to ${MOST_MACLEN} octets, or leave it out for 12`)
  }
}

/**
 * Where a listen range meets a peer or a smaller range, the kernel would take the keys of both for the addresses of the smaller
 * one, which RFC 5925 §3.1 does not allow to share ids, and takes TCP-MD5 and TCP-AO for one address not at all.
 */
export function checkTcpAoPlaces({ peers, dynamic = [] }: SpeakerConfig): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const inner = [
    ...[...peers].map(([name, peer]) => ({
      who: `peer "${name}"`,
      given: peer,
      place: bareAddress(peer.address ?? ''),
    })),
    ...dynamic.map(range => ({
      who: `range "${range.name}"`,
      given: range.template,
      place: parsePrefix(range.prefix),
    })),
  ]
  for (const { name, prefix, template } of dynamic) {
    const outer = parsePrefix(prefix)
    if (!outer) continue
    for (const { who, given, place } of inner) {
      if (given === template || !place || !contains(outer, place)) continue
      const field = template.tcpAo ? 'template.tcpAo' : 'template.secret'
      if (!template.tcpAo && !(template.secret !== undefined && given.tcpAo)) continue
      const reason = `${who} is inside, and the kernel would take these keys for it too (RFC 5925 §3.1)`
      const fix = 'leave that one out of the range, or make the range smaller'
      issues.push({ peer: name, field, value: '(not shown)', reason, fix })
    }
  }
  return issues
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}

// What protects a session, as it is configured: prefix limits, the key of TCP-MD5, the distance of GTSM. Keys of TCP-AO have a
// file of their own.

import type { PeerConfig } from '../types.ts'
import { families } from '../wire/family.ts'
import { checkTcpAo } from './check-tcp-ao.ts'

type Add = (field: string, value: unknown, reason: string, fix: string) => void

export function checkProtection(peer: PeerConfig, add: Add): void {
  checkLimits('maxPrefixes', peer.maxPrefixes, add)
  checkLimits('maxPrefixesOut', peer.maxPrefixesOut, add)
  for (const [field, least] of [
    ['maxAsPathLength', 1],
    ['maxCommunities', 0],
  ] as const) {
    const value = peer[field]
    if (value === undefined || isWithin(value, least, 4095)) continue
    add(field, value, 'no route that fits into a message is measured by it', `give ${least} to 4095`)
  }
  checkSendHold(peer, add)
  checkTcp(peer, add)
  checkTcpAo(peer, add)
}

function checkLimits(name: string, limits: PeerConfig['maxPrefixes'], add: Add): void {
  for (const family of Object.keys(limits ?? {})) {
    if (families.some(row => row.family === family)) continue
    const fix = 'use ipv4-unicast or ipv6-unicast'
    add(`${name}.${family}`, family, 'it is no address family that is known', fix)
  }
  for (const { family } of families) {
    const limit = limits?.[family]
    if (!limit) continue
    const field = `${name}.${family}`
    if (!isWithin(limit.limit, 1, 4294967295)) {
      add(`${field}.limit`, limit.limit, 'it is no number of prefixes', 'give 1 or more')
    }
    if (limit.warnAt !== undefined && !isWithin(limit.warnAt, 1, limit.limit)) {
      add(`${field}.warnAt`, limit.warnAt, `no warning can come there`, `give 1 to ${limit.limit}, the limit`)
    }
    if (!['warn', 'reject', 'restart'].includes(limit.action)) {
      add(`${field}.action`, limit.action, 'it is no action', 'use warn, reject or restart')
    }
    if (limit.restartAfter !== undefined && !isWithin(limit.restartAfter, 0, 86400)) {
      const fix = 'give 1 to 86400 seconds, or 0 to stay down until the limit changes'
      add(`${field}.restartAfter`, limit.restartAfter, 'it is no time to rest', fix)
    }
  }
}

function checkSendHold({ sendHoldTime, holdTime = 90 }: PeerConfig, add: Add): void {
  if (sendHoldTime === undefined) return
  if (!isWithin(sendHoldTime, 10, 65535)) {
    add('sendHoldTime', sendHoldTime, 'it is no time to wait for a peer that does not read', 'give 10 to 65535 seconds')
  } else if (sendHoldTime <= holdTime) {
    const reason = `it must be greater than the hold time, ${holdTime} s (RFC 9687 §4.4)`
    add('sendHoldTime', sendHoldTime, reason, `give ${Math.max(10, holdTime + 1)} or more, or leave it out`)
  }
}

function checkTcp({ secret, ttlSecurity, multihop }: PeerConfig, add: Add): void {
  if (typeof multihop === 'number' && !isWithin(multihop, 1, 255)) {
    add('multihop', multihop, 'no packet goes so far', 'give 1 to 255 links, or true for the TTL of the system')
  } else if (typeof multihop === 'number' && ttlSecurity !== undefined) {
    const reason = `ttlSecurity ${ttlSecurity} says already how far the peer may be, and sends with TTL 255 (RFC 5082)`
    add('multihop', multihop, reason, 'remove one of the two')
  }
  const octets = secret === undefined ? 1 : new TextEncoder().encode(secret).length
  if (octets < 1 || octets > 80) {
    add('secret', `(${octets} octets)`, 'TCP-MD5 takes no such key (RFC 2385)', 'give one of 1 to 80 octets')
  }
  if (ttlSecurity === undefined) return
  const fix = 'give 1 if the peer is on the same link, else the number of links to it, up to 254'
  if (!isWithin(ttlSecurity, 1, 254)) add('ttlSecurity', ttlSecurity, 'it is no number of links (RFC 5082)', fix)
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}

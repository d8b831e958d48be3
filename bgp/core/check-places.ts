// What peers are called and where they are: each has a name and a place of its own, which is not ours.

import type { Address } from '../../inet/index.ts'
import { isUnfound, placeOf } from '../session/place.ts'
import type { ConfigIssue, PeerConfig, SpeakerConfig } from '../types.ts'
import { bareAddress, plainAddress } from './addresses.ts'
import { canonical } from './diff.ts'

type Add = (field: string, value: unknown, reason: string, fix: string) => void

export function checkPlaces(config: SpeakerConfig): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const owners = new Map<string, string>()
  const first = new Map<string, PeerConfig>()
  for (const { name } of config.dynamic ?? []) checkName(name, issueOf(issues, name))
  for (const [name, peer] of config.peers) {
    const add = issueOf(issues, name)
    checkName(name, add)
    checkAddress(peer, config, add)
    const place = plainAddress(placeOf(peer))
    const key = `${place} ${plainAddress(peer.localAddress ?? '')}`
    const other = owners.get(key)
    if (other !== undefined) {
      const reason = `peer "${other}" has it too, so a connection from there would belong to both`
      add(peer.address === undefined ? 'interface' : 'address', placeOf(peer), reason, 'remove one of the two')
    }
    owners.set(key, name)
    const known = first.get(place) ?? peer
    first.set(place, known)
    for (const field of ['secret', 'tcpAo'] as const) {
      if (canonical(known[field]) === canonical(peer[field])) continue
      add(field, '(not shown)', 'another peer at that address has another', 'give both the same')
    }
  }
  return issues
}

function issueOf(issues: ConfigIssue[], peer: string): Add {
  return (field, value, reason, fix) => issues.push({ peer, field, value, reason, fix })
}

/** Names are keys of JSON objects and words of commands. */
function checkName(name: string, add: Add): void {
  if (name !== '' && name !== '__proto__') return
  add('name', name, 'nothing can be called that', 'give it another name, like tor or rack-3')
}

function checkAddress(peer: PeerConfig, { routerId }: SpeakerConfig, add: Add): void {
  const place = placeOf(peer)
  const address = isUnfound(place) ? undefined : bareAddress(place)
  if (!address) return
  const fix = "give the peer's own address"
  if (isNobody(address)) add('address', place, 'no single speaker can be there', fix)
  const ours: readonly (readonly [string, string | undefined])[] = [
    ['router id', routerId],
    ['localAddress', peer.localAddress],
  ]
  for (const [what, text] of ours) {
    if (text === undefined || plainAddress(text) !== plainAddress(place)) continue
    add('address', place, `it is our own ${what}, and a speaker has no session with itself`, fix)
  }
}

/** 0.0.0.0/8, multicast or broadcast; in IPv6, the unspecified address or multicast. */
function isNobody({ family, octets }: Address): boolean {
  if (family === 6) return octets[0] === 0xff || octets.every(octet => octet === 0)
  return octets[0] === 0 || (octets[0] >= 224 && octets[0] < 240) || octets.every(octet => octet === 255)
}

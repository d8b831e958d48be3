// The attributes that the UPDATE decoder takes out: NEXT_HOP (RFC 4271 §4.3 c), MP_REACH_NLRI and MP_UNREACH_NLRI (RFC
// 4760 §3, §4), AS4_PATH and AS4_AGGREGATOR (RFC 6793 §3). Their octets are raw here: mp.ts and as4.ts read them.

import { type AttributeType, OPTIONAL, TRANSITIVE } from '../attribute.ts'
import { fourOctets } from './numbers.ts'
import { AS_CONFED_SET, validateAsPath } from './as-path.ts'

const raw = {
  part: 'envelope',
  decode: (octets: Uint8Array, from: number, to: number) => octets.slice(from, to),
  encode: (value: Uint8Array) => value,
} as const

export const nextHop: AttributeType<Uint8Array> = {
  code: 3,
  name: 'NEXT_HOP',
  flags: TRANSITIVE,
  validate: (_, from, to) => fourOctets(from, to), // RFC 7606 §7.3
  onError: 'withdraw',
  ...raw,
}

export const mpReach: AttributeType<Uint8Array> = {
  code: 14,
  name: 'MP_REACH_NLRI',
  flags: OPTIONAL,
  validate: () => undefined,
  onError: 'withdraw',
  ...raw,
}

export const mpUnreach: AttributeType<Uint8Array> = {
  code: 15,
  name: 'MP_UNREACH_NLRI',
  flags: OPTIONAL,
  validate: () => undefined,
  onError: 'withdraw',
  ...raw,
}

/** RFC 6793 §6: a malformed one is dropped, the routes stay; confederation segments (§3) are left out when it is merged. */
export const as4Path: AttributeType<Uint8Array> = {
  code: 17,
  name: 'AS4_PATH',
  flags: OPTIONAL | TRANSITIVE,
  validate: (octets, from, to) => validateAsPath(octets, from, to, { fourOctetAs: true }, AS_CONFED_SET),
  onError: 'discard',
  ...raw,
}

export const as4Aggregator: AttributeType<Uint8Array> = {
  code: 18,
  name: 'AS4_AGGREGATOR',
  flags: OPTIONAL | TRANSITIVE,
  validate: (_, from, to) => (to - from === 8 ? undefined : `length ${to - from}, must be 8`),
  onError: 'discard',
  ...raw,
}

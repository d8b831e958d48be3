// ORIGIN (RFC 4271 §4.3 a; errors RFC 7606 §7.1).

import { type AttributeType, TRANSITIVE } from '../attribute.ts'

export type Origin = 'igp' | 'egp' | 'incomplete'

/** By value on the wire. */
export const origins: readonly Origin[] = ['igp', 'egp', 'incomplete']

export const origin: AttributeType<Origin> = {
  code: 1,
  name: 'ORIGIN',
  flags: TRANSITIVE,
  part: 'route',
  validate: (octets, from, to) => {
    if (to - from !== 1) return `length ${to - from}, must be 1`
    return octets[from] < origins.length ? undefined : `value ${octets[from]} is none of 0, 1, 2`
  },
  onError: 'withdraw',
  decode: (octets, from) => origins[octets[from]],
  encode: value => Uint8Array.of(origins.indexOf(value)),
}

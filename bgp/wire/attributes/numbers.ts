// The attributes that are one 4-octet number: MULTI_EXIT_DISC and LOCAL_PREF (RFC 4271 §4.3 d, e; errors RFC 7606
// §7.4, §7.5).

import { type AttributeType, OPTIONAL, TRANSITIVE } from '../attribute.ts'
import { putUint32, uint32 } from './as-path.ts'

const number = {
  part: 'route',
  validate: (_: Uint8Array, from: number, to: number) => fourOctets(from, to),
  onError: 'withdraw',
  decode: uint32,
  encode: (value: number) => {
    const octets = new Uint8Array(4)
    putUint32(octets, 0, value)
    return octets
  },
} as const

export const med: AttributeType<number> = { code: 4, name: 'MULTI_EXIT_DISC', flags: OPTIONAL, ...number }

export const localPref: AttributeType<number> = {
  code: 5,
  name: 'LOCAL_PREF',
  flags: TRANSITIVE,
  internalOnly: 'confederation', // RFC 5065 §5.2
  ...number,
}

export function fourOctets(from: number, to: number): string | undefined {
  return to - from === 4 ? undefined : `length ${to - from}, must be 4`
}

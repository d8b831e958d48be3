// AIGP (RFC 7311; errors §3.1 there): the accumulated IGP metric. Carried on inside the AS as it is, never used for a
// decision: AIGP_SESSION counts as disabled towards eBGP peers, in and out.

import { type AttributeType, OPTIONAL } from '../attribute.ts'

export const aigp: AttributeType<Uint8Array> = {
  code: 26,
  name: 'AIGP',
  flags: OPTIONAL,
  part: 'route',
  internalOnly: 'confederation', // RFC 7311 §3.2
  validate: (octets, from, to) => {
    for (let at = from; at < to;) {
      const length = to - at < 3 ? 0 : (octets[at + 1] << 8) | octets[at + 2]
      if (length < 3 || at + length > to) return 'a TLV runs past the end, or is shorter than its own header'
      at += length
    }
    return to > from ? undefined : 'it is empty'
  },
  onError: 'discard',
  decode: (octets, from, to) => octets.slice(from, to),
  encode: value => value,
}

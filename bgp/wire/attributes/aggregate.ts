// ATOMIC_AGGREGATE and AGGREGATOR (RFC 4271 §4.3 f, g; errors RFC 7606 §7.6, §7.7): carried on, never used.

import { formatAddress, parseAddress } from '../../../inet/index.ts'
import { type AttributeType, OPTIONAL, TRANSITIVE } from '../attribute.ts'
import { putUint32, uint32 } from './as-path.ts'

export interface Aggregator {
  readonly asn: number
  /** Dotted quad. */
  readonly routerId: string
}

export const atomicAggregate: AttributeType<true> = {
  code: 6,
  name: 'ATOMIC_AGGREGATE',
  flags: TRANSITIVE,
  part: 'route',
  validate: (_, from, to) => (to === from ? undefined : `length ${to - from}, must be 0`),
  onError: 'discard',
  decode: () => true,
  encode: () => new Uint8Array(0),
}

export const aggregator: AttributeType<Aggregator> = {
  code: 7,
  name: 'AGGREGATOR',
  flags: OPTIONAL | TRANSITIVE,
  part: 'route',
  validate: (_, from, to, { fourOctetAs }) => {
    const length = fourOctetAs ? 8 : 6
    return to - from === length ? undefined : `length ${to - from}, must be ${length}`
  },
  onError: 'discard',
  decode: readAggregator,
  encode: encodeAggregator,
}

export function readAggregator(octets: Uint8Array, from: number): Aggregator {
  return { asn: uint32(octets, from), routerId: formatAddress(octets.subarray(from + 4, from + 8)) }
}

export function encodeAggregator({ asn, routerId }: Aggregator): Uint8Array {
  const octets = new Uint8Array(8)
  putUint32(octets, 0, asn)
  octets.set(parseAddress(routerId)?.octets.subarray(0, 4) ?? [], 4)
  return octets
}

// Ranges with a meaning of their own, which no router may lead elsewhere and no host may be called by (RFC 6890).

import type { Address } from './address.ts'
import { overlaps, parsePrefix, type Prefix } from './prefix.ts'
import type { PrefixKey } from './prefix-map.ts'
import { Ranges } from './ranges.ts'

const ranges = [
  ['0.0.0.0/8', '"this network"'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['fe80::/10', 'link-local'],
  ['ff00::/8', 'multicast'],
].flatMap(([text, meaning]) => {
  const prefix = parsePrefix(text)
  return prefix ? [{ prefix, meaning }] : []
})

export interface SpecialRange {
  readonly prefix: Prefix
  /** In a word: `multicast`. */
  readonly meaning: string
}

const special = new Ranges(ranges)

/** The special range that holds the address or prefix; a default route lies in none. */
export function specialRange(of: Address | Prefix | PrefixKey): SpecialRange | undefined {
  return special.around(of)
}

/** A special range that the prefix reaches into, wholly or in part. */
export function specialRangeWithin(of: Prefix): SpecialRange | undefined {
  return ranges.find(({ prefix }) => overlaps(prefix, of))
}

// Parts of blocks, as arithmetic: what is left of a block without a part of it, and what lies between the blocks of a pool.
//
// A part is a block like others, only smaller: down to one address.

import {
  type Address,
  bitsOf,
  comparePrefixes,
  contains,
  formatPrefix,
  overlaps,
  type Prefix,
  prefixOf,
  subnetAt,
} from '../../inet/index.ts'

/** The fewest prefixes that hold all of `block` but `part`, which lies in it. */
export function remainder(block: Prefix, part: Prefix): readonly Prefix[] {
  if (block.length >= part.length) return []
  return halvesOf(block).flatMap(half => (contains(half, part) ? remainder(half, part) : [half]))
}

/**
 * The greatest prefixes within blocks of `length` of which others have a part: what could still be taken of these blocks, the
 * greatest first. Blocks of which nobody has anything are not among them.
 */
export function gaps(range: Prefix, length: number, taken: readonly Prefix[]): readonly Prefix[] {
  const parts = taken.filter(prefix => prefix.length > length && contains(range, prefix))
  const whole = taken.filter(prefix => prefix.length <= length && overlaps(range, prefix))
  const broken = Map.groupBy(parts, part => formatPrefix(prefixOf(addressOf(part), length)))
  return [...broken.values()]
    .flatMap(inside => {
      const block = prefixOf(addressOf(inside[0]), length)
      return whole.some(other => contains(other, block)) ? [] : free(block, inside)
    })
    .toSorted((a, b) => a.length - b.length || comparePrefixes(a, b))
}

/** The greatest prefix around an address, no longer than a block of `length`, that overlaps nothing of `taken`. */
export function pieceAround(address: Address, length: number, taken: readonly Prefix[]): Prefix | undefined {
  for (let at = length; at <= bitsOf(address.family); at++) {
    const piece = prefixOf(address, at)
    if (!taken.some(other => overlaps(other, piece))) return piece
  }
  return undefined
}

function free(prefix: Prefix, inside: readonly Prefix[]): readonly Prefix[] {
  const here = inside.filter(other => overlaps(other, prefix))
  if (here.length === 0) return [prefix]
  if (here.some(other => contains(other, prefix))) return []
  return halvesOf(prefix).flatMap(half => free(half, here))
}

function halvesOf(prefix: Prefix): readonly Prefix[] {
  return [0, 1].map(n => subnetAt(prefix, prefix.length + 1, n))
}

function addressOf({ family, octets }: Prefix): Address {
  return { family, octets }
}

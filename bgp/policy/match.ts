// The match half of a rule, in two parts: what the prefix and its source decide, and what the attribute set decides.
// The second part is remembered per set (memo.ts), so a rule costs one look-up per route.

import { parsePrefix } from '../../inet/index.ts'
import type { AttributeSets } from '../tables/attribute-sets.ts'
import type { PrefixTable } from '../tables/prefix-table.ts'
import type { Match, PrefixRange } from '../types.ts'
import {
  asPath,
  asPathContains,
  AttributeWalker,
  communities,
  hasCommunity,
  parseCommunity,
} from '../wire/attributes.ts'

/** Who a route is from, as far as policy asks. */
export interface RouteSource {
  readonly kind: 'local' | 'ibgp' | 'ebgp'
  readonly name: string
}

/** Prefix ranges and source. */
export class RouteMatch {
  readonly #prefixes: PrefixTable
  readonly #ranges: readonly Range[] | undefined
  readonly #sources: ReadonlySet<string> | undefined
  readonly #peers: ReadonlySet<string> | undefined

  constructor(prefixes: PrefixTable, { prefixes: ranges, source, peers }: Match) {
    this.#prefixes = prefixes
    this.#ranges = ranges?.flatMap(range => compileRange(range, prefixes.bits) ?? [])
    this.#sources = source && new Set(source)
    this.#peers = peers && new Set(peers)
  }

  matches(prefix: number, from: RouteSource): boolean {
    if (this.#sources && !this.#sources.has(from.kind)) return false
    if (this.#peers && !this.#peers.has(from.name)) return false
    if (!this.#ranges) return true
    const length = this.#prefixes.length(prefix)
    for (const range of this.#ranges) {
      if (length >= range.min && length <= range.max && this.#inside(prefix, range)) return true
    }
    return false
  }

  #inside(prefix: number, { words, masks }: Range): boolean {
    for (let n = 0; n < words.length; n++) {
      if (((this.#prefixes.word(prefix, n) ^ words[n]) & masks[n]) !== 0) return false
    }
    return true
  }
}

/** Communities and AS path; undefined if the rule asks for neither. */
export function setMatch(sets: AttributeSets, match: Match): ((set: number) => boolean) | undefined {
  const wanted = match.communities?.map(parseCommunity).filter(value => value !== undefined)
  const asns = match.asPathContains
  if (!wanted && !asns) return undefined
  const walker = new AttributeWalker()
  const find = (set: number, code: number) => walker.reset(sets.octets, sets.from(set), sets.to(set)).find(code)
  return set => {
    const { octets } = sets
    if (wanted) {
      if (!find(set, communities.code)) return false
      if (!wanted.some(value => hasCommunity(octets, walker.from, walker.to, value))) return false
    }
    return !asns || (find(set, asPath.code) && asns.some(asn => asPathContains(octets, walker.from, walker.to, asn)))
  }
}

interface Range {
  readonly words: readonly number[]
  readonly masks: readonly number[]
  readonly min: number
  readonly max: number
}

function compileRange({ prefix: text, min, max }: PrefixRange, bits: number): Range | undefined {
  const prefix = parsePrefix(text)
  if (!prefix || prefix.octets.length * 8 !== bits) return undefined
  const view = new DataView(prefix.octets.buffer, prefix.octets.byteOffset, prefix.octets.length)
  const words: number[] = []
  const masks: number[] = []
  for (let n = 0; n * 32 < prefix.length; n++) {
    words.push(view.getUint32(n * 4))
    masks.push(prefix.length >= (n + 1) * 32 ? -1 : -1 << (32 - (prefix.length - n * 32)))
  }
  return { words, masks, min: Math.max(min ?? prefix.length, prefix.length), max: max ?? prefix.length }
}

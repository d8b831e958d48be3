// The match half of a rule, in two parts: what the prefix and its source decide (here), and what the attribute set
// decides (set-match.ts). The second part is remembered per set (memo.ts), so a rule costs one look-up per route.

import { parsePrefix } from '../../inet/index.ts'
import type { PrefixTable } from '../tables/prefix-table.ts'
import type { Match, PrefixRange } from '../types.ts'

/** Who a route is from, as far as policy asks. */
export interface RouteSource {
  readonly kind: 'local' | 'ibgp' | 'ebgp'
  readonly name: string
}

/** Family, prefix ranges and source. */
export class RouteMatch {
  readonly #prefixes: PrefixTable
  readonly #ranges: readonly Range[] | undefined
  readonly #sources: ReadonlySet<string> | undefined
  readonly #peers: ReadonlySet<string> | undefined

  constructor(prefixes: PrefixTable, { prefixes: ranges, family, source, peers }: Match) {
    this.#prefixes = prefixes
    const other = family !== undefined && (family === 'ipv4-unicast') !== (prefixes.bits === 32)
    this.#ranges = other ? [] : ranges?.flatMap(range => compileRange(range, prefixes.bits) ?? [])
    this.#sources = source && new Set(source)
    this.#peers = peers && new Set(peers)
  }

  /** Undefined if the rule asks for none of it. */
  static of(prefixes: PrefixTable, when: Match): RouteMatch | undefined {
    const asks = when.prefixes ?? when.family ?? when.source ?? when.peers
    return asks === undefined ? undefined : new RouteMatch(prefixes, when)
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
  const longest = max ?? (min === undefined ? prefix.length : bits)
  return { words, masks, min: Math.max(min ?? prefix.length, prefix.length), max: longest }
}

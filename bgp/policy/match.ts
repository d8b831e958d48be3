// The match half of a rule, in two parts: what the prefix and its source decide (here), and what the attribute set
// decides (set-match.ts). The second part is remembered per set (memo.ts), so a rule costs one look-up per route.

import type { PrefixTable } from '../tables/prefix-table.ts'
import type { Match, SessionKind } from '../types.ts'
import { PrefixSet } from './prefix-set.ts'

/** Who a route is from, as far as policy asks. */
export interface RouteSource {
  readonly kind: 'local' | SessionKind
  readonly name: string
  /** The listen range that made the peer. */
  readonly range?: string
}

/** Family, prefix ranges and source. */
export class RouteMatch {
  readonly #ranges: PrefixSet | undefined
  readonly #sources: ReadonlySet<string> | undefined
  readonly #peers: ReadonlySet<string> | undefined

  constructor(prefixes: PrefixTable, { prefixes: ranges, family, source, peers }: Match) {
    const other = family !== undefined && (family === 'ipv4-unicast') !== (prefixes.bits === 32)
    const wanted = other ? [] : ranges
    this.#ranges = wanted && new PrefixSet(prefixes, wanted)
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
    if (this.#peers && !this.#isFrom(this.#peers, from)) return false
    return !this.#ranges || this.#ranges.has(prefix)
  }

  #isFrom(peers: ReadonlySet<string>, { name, range }: RouteSource): boolean {
    return peers.has(name) || (range !== undefined && peers.has(range))
  }
}

// The decision process (RFC 4271 §9.1.2.2, with RFC 4456 §9): which of a prefix's usable paths is best, and which are
// equal to it for multipath.
//
// Each step keeps the paths of lowest rank, so the result depends on no order. Looking at the whole field at each step,
// rather than at pairs, is what makes MED deterministic: it is compared within one neighbouring AS only, which is no order.

import { compareOctets } from '../../inet/index.ts'
import { type AttributeSets, HAS_MED, IS_LONG_STALE } from '../tables/attribute-sets.ts'
import type { RouteSource } from '../policy/match.ts'
import type { DecisionOptions } from '../types.ts'
import type { Paths } from './paths.ts'
import { LOCAL, type Sessions } from './sessions.ts'

/** The paths left after these are the multipath set. */
const EQUAL_COST = ['longStale', 'local', 'localPref', 'asPathLength', 'origin', 'med', 'kind', 'metric'] as const
/** These single out the best of them. */
const TIE_BREAK = ['oldest', 'routerId', 'clusterList', 'address', 'pathId'] as const

/** In order. */
export const steps = [...EQUAL_COST, ...TIE_BREAK] as const
export type Step = (typeof steps)[number]

export class Decision {
  /** Paths to choose from: `field[0, count)`. After `choose`: the best first, then its equals, then the rest. */
  field = new Uint32Array(64)
  count = 0
  options: DecisionOptions = {}
  /** The path of the prefix that was best until now; 0 = none. */
  current = 0

  readonly #sets: AttributeSets
  readonly #paths: Paths
  readonly #sessions: Sessions

  constructor(sets: AttributeSets, paths: Paths, sessions: Sessions) {
    this.#sets = sets
    this.#paths = paths
    this.#sessions = sessions
  }

  add(path: number): void {
    if (this.count === this.field.length) {
      const field = new Uint32Array(this.count * 2)
      field.set(this.field)
      this.field = field
    }
    this.field[this.count++] = path
  }

  /** Orders the field and returns how many paths share the load. `lost` hears in which step each other path fell out. */
  choose(lost?: (path: number, step: Step) => void): number {
    const equal = this.#run(EQUAL_COST, this.count, lost)
    this.#run(TIE_BREAK, equal, lost)
    const { multipath = 'relaxed' } = this.options
    return multipath === 'relaxed' || equal === 1 ? equal : multipath === 'off' ? 1 : this.#keepSamePath(equal)
  }

  /** What a step compares, lower is better. `address` is compared as octets and has no rank. */
  rank(step: Step, path: number): number {
    const set = this.#paths.accepted[path]
    const slot = this.#paths.slot[path]
    switch (step) {
      case 'longStale':
        return this.#sets.flags[set] & IS_LONG_STALE // RFC 9494 §4.3: least preferred, so never beside a fresh one
      case 'local':
        return slot === LOCAL ? 0 : 1
      case 'localPref':
        return -this.#sets.localPref[set]
      case 'asPathLength':
        return this.#sets.pathLength[set]
      case 'origin':
        return this.#sets.origin[set]
      case 'med':
        return this.#med(set)
      case 'kind':
        return isInternal(this.#sessions.at(slot).kind) ? 1 : 0
      case 'metric':
        return this.#sets.nextHops.metric(this.#sets.nextHop[set])
      case 'oldest':
        return this.options.preferOldest && path === this.current && this.#sessions.at(slot).kind === 'ebgp' ? 0 : 1
      case 'routerId':
        return this.#sets.originator(set) ?? this.#sessions.at(slot).routerId
      case 'clusterList':
        return this.#sets.clusterListLength(set)
      case 'pathId':
        return this.#paths.pathId.length > 0 ? this.#paths.pathId[path] : 0
      case 'address':
        break
    }
    return 0
  }

  #run(list: readonly Step[], count: number, lost?: (path: number, step: Step) => void): number {
    for (let i = 0; i < list.length && count > 1; i++) {
      const step = list[i]
      const kept =
        step === 'med' ? this.#keepMed(count) : step === 'address' ? this.#keepAddress(count) : this.#keep(step, count)
      if (lost) for (let j = kept; j < count; j++) lost(this.field[j], step)
      count = kept
    }
    return count
  }

  #keep(step: Step, count: number): number {
    const { field } = this
    let lowest = this.rank(step, field[0])
    let kept = 1
    for (let i = 1; i < count; i++) {
      const rank = this.rank(step, field[i])
      if (rank > lowest) continue
      if (rank < lowest) {
        lowest = rank
        kept = 0
      }
      swap(field, i, kept++)
    }
    return kept
  }

  #med(set: number): number {
    if (this.options.missingMed === 'highest' && !(this.#sets.flags[set] & HAS_MED)) return Infinity
    return this.#sets.med[set]
  }

  /** Of the paths that are equal to the first, those with its very AS path come next; returns how many they are with it. */
  #keepSamePath(count: number): number {
    const { field } = this
    const { accepted } = this.#paths
    let kept = 1
    for (let i = 1; i < count; i++) {
      if (this.#sets.sameAsPath(accepted[field[0]], accepted[field[i]])) swap(field, i, kept++)
    }
    return kept
  }

  /** RFC 4271 §9.1.2.2 c: out goes what has a higher MED than another path of the same neighbouring AS. */
  #keepMed(count: number): number {
    if (this.options.alwaysCompareMed) return this.#keep('med', count)
    const { field } = this
    const { neighbourAs } = this.#sets
    const { accepted } = this.#paths
    const med = (path: number) => this.#med(accepted[path])
    let differ = false
    for (let i = 1; i < count && !differ; i++) differ = med(field[i]) !== med(field[0])
    if (!differ) return count
    const lowest = new Map<number, number>()
    for (let i = 0; i < count; i++) {
      const neighbour = neighbourAs[accepted[field[i]]]
      lowest.set(neighbour, Math.min(med(field[i]), lowest.get(neighbour) ?? Infinity))
    }
    let kept = 0
    for (let i = 0; i < count; i++) {
      if (med(field[i]) === lowest.get(neighbourAs[accepted[field[i]]])) swap(field, i, kept++)
    }
    return kept
  }

  /** By octets; of two sessions with one address the older slot. Paths of one session are equal. */
  #keepAddress(count: number): number {
    const { field } = this
    const { slot } = this.#paths
    const address = (path: number) => this.#sessions.at(slot[path]).address
    let kept = 1
    for (let i = 1; i < count; i++) {
      const mine = slot[field[i]]
      const order =
        mine === slot[field[0]] ? 0 : compareOctets(address(field[i]), address(field[0])) || mine - slot[field[0]]
      if (order > 0) continue
      if (order < 0) kept = 0
      swap(field, i, kept++)
    }
    return kept
  }
}

/** RFC 5065 §5.3: another member of our confederation counts as internal. */
function isInternal(kind: RouteSource['kind']): boolean {
  return kind === 'ibgp' || kind === 'confed-ebgp'
}

function swap(field: Uint32Array, a: number, b: number): void {
  const path = field[a]
  field[a] = field[b]
  field[b] = path
}

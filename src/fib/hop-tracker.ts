// Every BGP next hop heard of, how it resolves now, and what the speaker must be told of it.
//
// A next hop stays tracked after its last route went: an unreachable one leaves the decision process by our own word, and
// only we can say when it is back. Past `limit` idle ones the oldest are forgotten, which the speaker hears as "reachable".

import type { NextHopState } from '../../bgp/types.ts'
import type { FactsIndex } from './facts-index.ts'
import { resolveNextHop } from './next-hop.ts'
import type { Resolution, ResolveOptions } from './next-hop.ts'

interface Tracked {
  resolution: Resolution
  users: number
}

export class HopTracker {
  readonly #hops = new Map<string, Tracked>()
  /** Next hops without a route, the longest idle first. */
  readonly #idle = new Set<string>()
  readonly #limit: number
  #untold = new Map<string, NextHopState>()
  #facts: FactsIndex
  #options: ResolveOptions

  constructor(facts: FactsIndex, options: ResolveOptions, limit = 65_536) {
    this.#facts = facts
    this.#options = options
    this.#limit = limit
  }

  /** Counts one more user of the next hop. */
  use(address: string): void {
    const known = this.#hops.get(address)
    if (known) {
      known.users++
      this.#idle.delete(address)
      return
    }
    const resolution = resolveNextHop(address, this.#facts, this.#options)
    this.#hops.set(address, { resolution, users: 1 })
    this.#untold.set(address, stateOf(address, resolution))
  }

  unuse(address: string): void {
    const known = this.#hops.get(address)
    if (!known || --known.users > 0) return
    this.#idle.add(address)
    if (this.#idle.size > this.#limit) this.#forgetOldest()
  }

  resolution(address: string): Resolution | undefined {
    return this.#hops.get(address)?.resolution
  }

  /** Resolves every next hop anew; gives those whose answer changed. */
  refresh(facts: FactsIndex, options: ResolveOptions): ReadonlySet<string> {
    this.#facts = facts
    this.#options = options
    const changed = new Set<string>()
    for (const [address, tracked] of this.#hops) {
      const resolution = resolveNextHop(address, facts, options)
      if (equalResolutions(tracked.resolution, resolution)) continue
      const told = stateOf(address, tracked.resolution)
      const now = stateOf(address, resolution)
      tracked.resolution = resolution
      changed.add(address)
      if (told.reachable !== now.reachable || told.metric !== now.metric) this.#untold.set(address, now)
    }
    return changed
  }

  /** What the speaker has not been told yet. */
  takeChanges(): readonly NextHopState[] {
    const changes = [...this.#untold.values()]
    this.#untold = new Map()
    return changes
  }

  /** Everything the speaker should know, for a speaker that starts anew. */
  states(): readonly NextHopState[] {
    return Array.from(this.#hops, ([address, { resolution }]) => stateOf(address, resolution))
  }

  #forgetOldest(): void {
    for (const address of this.#idle) {
      this.#idle.delete(address)
      this.#hops.delete(address)
      this.#untold.set(address, { address, reachable: true, metric: 0 })
      return
    }
  }
}

function stateOf(address: string, resolution: Resolution): NextHopState {
  return { address, reachable: resolution.usable, metric: resolution.usable ? resolution.metric : 0 }
}

function equalResolutions(a: Resolution, b: Resolution): boolean {
  if (!a.usable) return !b.usable && a.reason === b.reason
  return (
    b.usable &&
    a.metric === b.metric &&
    a.byDefault === b.byDefault &&
    a.hop.gateway === b.hop.gateway &&
    a.hop.device === b.hop.device &&
    a.hop.onlink === b.hop.onlink
  )
}

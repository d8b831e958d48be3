// From the Loc-RIB to the kernel: the speaker's choices are resolved to FIB entries and handed to the route table, in slices, and next
// hops that come and go are told to the speaker.

import type { ChangeCursor, ChangeView, Family, NextHopState } from '../../bgp/types.ts'
import { type Clock, systemClock } from '../dataplane/index.ts'
import { Resolver } from '../fib/resolver.ts'
import type { Facts } from '../model/facts.ts'
import type { FibResult } from '../model/fib.ts'
import type { RouteRules } from '../model/intent.ts'
import type { FibUpdate } from '../fib/resolver.ts'
import { WithdrawGuard } from './withdraw-guard.ts'

export interface RoutingPorts {
  /** Where the Loc-RIB's changes come from, one cursor a family. */
  readonly changes: (family: Family) => ChangeCursor
  readonly patch: (updates: readonly FibUpdate[]) => void
  /** What the kernel has not taken of that. */
  readonly kernel: KernelOutcomes
  readonly tellNextHops: (changes: readonly NextHopState[]) => void
  /** A happening that the log should have. */
  readonly warn: (text: string) => void
  readonly clock?: Clock
  /** Of routes outside tunnels; undefined: that of their device. */
  readonly routeMtu?: number
}

/** Why the kernel does not hold what is wanted for a prefix: all such prefixes, and others, and one. */
export interface KernelOutcomes {
  readonly trouble: readonly FibResult[]
  obstacle(prefix: string): FibResult | undefined
}

/** Loc-RIB changes taken before sockets and timers get their turn. */
const unitsPerTurn = 2_048

export class Routing {
  readonly #ports: RoutingPorts
  readonly #cursors: readonly ChangeCursor[]
  readonly #view: ChangeView = { prefix: '', nextHops: [], peer: '', med: undefined, localPref: undefined }
  readonly resolver: Resolver
  readonly guard: WithdrawGuard
  #next: NodeJS.Immediate | undefined

  constructor(facts: Facts, rules: RouteRules, families: readonly Family[], ports: RoutingPorts) {
    this.#ports = ports
    this.resolver = new Resolver(facts, rules, ports.routeMtu)
    this.#cursors = families.map(ports.changes)
    this.guard = new WithdrawGuard({
      clock: ports.clock ?? systemClock,
      inForce: () => this.#inForce(),
      tell: ports.warn,
      letGo: prefixes => this.#hand(prefixes.flatMap(prefix => this.resolver.forget(prefix) ?? [])),
    })
    this.guard.set(rules.hold)
  }

  /** The Loc-RIB has changed: its changes are taken soon. */
  wake(): void {
    this.#next ??= setImmediate(() => this.#turn())
  }

  setFacts(facts: Facts): void {
    this.#hand(this.resolver.setFacts(facts))
  }

  setRules(rules: RouteRules): void {
    this.#hand(this.resolver.setRules(rules))
    this.guard.set(rules.hold)
  }

  setRouteMtu(mtu: number | undefined): void {
    this.#hand(this.resolver.setMtu(mtu))
  }

  /** True when no change waits to be taken. */
  get idle(): boolean {
    return this.#next === undefined
  }

  close(): void {
    clearImmediate(this.#next)
    for (const cursor of this.#cursors) cursor.close()
    this.guard.close()
  }

  #turn(): void {
    this.#next = undefined
    const updates: FibUpdate[] = []
    let left = unitsPerTurn
    for (const cursor of this.#cursors) {
      while (left > 0 && cursor.next(this.#view)) {
        left--
        if (this.#isKept(this.#view)) continue
        const update = this.resolver.learn(this.#view)
        if (update) updates.push(update)
      }
    }
    this.#hand(updates)
    if (left === 0) this.wake()
  }

  /** A withdrawal that is not obeyed now. */
  #isKept({ prefix, nextHops, peer }: ChangeView): boolean {
    const isWithdrawn = nextHops.length === 0 && peer !== 'local'
    if (
      isWithdrawn &&
      this.guard.isSet &&
      this.#wants(prefix) &&
      !this.#ports.kernel.obstacle(prefix) &&
      this.guard.keeps(prefix)
    )
      return true
    this.guard.settled(prefix)
    return false
  }

  /** Learned routes that the kernel has: not those that a route of another keeps out. */
  #inForce(): number {
    const { kernel } = this.#ports
    const out = kernel.trouble.filter(({ prefix }) => kernel.obstacle(prefix) && this.#wants(prefix))
    return this.resolver.inForce - out.length
  }

  #wants(prefix: string): boolean {
    return this.resolver.entry(prefix) !== undefined
  }

  #hand(updates: readonly FibUpdate[]): void {
    if (updates.length > 0) this.#ports.patch(updates)
    const nextHops = this.resolver.takeNextHopChanges()
    if (nextHops.length > 0) this.#ports.tellNextHops(nextHops)
  }
}

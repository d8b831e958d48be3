// Many speakers in one process on the in-memory network and one virtual clock: the second shell, for tests.

import { Engine } from '../core/engine.ts'
import { Random } from '../fsm/random.ts'
import type { Family, PathView, PeerStatus, PrefixId, Report, SpeakerConfig } from '../types.ts'
import { Driver } from './driver.ts'
import { Listeners } from './listeners.ts'
import { MemoryNetwork, VirtualClock } from './memory.ts'
import { MOST } from './pace.ts'

export class Simulation {
  readonly clock = new VirtualClock()
  readonly network: MemoryNetwork
  readonly #random: Random

  /** Prefixes to reserve address space for, per speaker and family; 0: thousands of speakers fit into a process. */
  readonly maxPrefixes: number | undefined

  constructor(seed = 1, maxPrefixes?: number) {
    this.maxPrefixes = maxPrefixes
    this.#random = new Random(seed)
    this.network = new MemoryNetwork(this.clock, this.#random.seed())
  }

  /** A speaker on a host with these addresses; throws if the configuration has an issue. */
  add(config: SpeakerConfig, ...addresses: readonly string[]): SimulatedSpeaker {
    return new SimulatedSpeaker(this, this.#random.seed(), config, addresses)
  }

  /** Lets time pass: seconds. */
  run(seconds: number): void {
    this.clock.advance(seconds * 1000)
  }

  /** Lets time pass in steps of a tenth of a second until it holds, at most so many seconds; says whether it held. */
  runUntil(holds: () => boolean, seconds: number): boolean {
    for (let tenths = 0; !holds(); tenths++) {
      if (tenths >= seconds * 10) return false
      this.run(0.1)
    }
    return true
  }
}

export class SimulatedSpeaker {
  readonly engine: Engine
  readonly driver: Driver
  readonly reports: Report[] = []
  readonly #listeners: Listeners
  readonly #turns = new Set<() => void>()

  constructor(simulation: Simulation, seed: number, config: SpeakerConfig, addresses: readonly string[]) {
    const { clock, network } = simulation
    const transport = network.host(...addresses)
    const report = (one: Report) => void this.reports.push(one)
    this.engine = new Engine({ seed, now: clock.now(), maxPrefixes: simulation.maxPrefixes })
    const turned = () => {
      for (const callback of this.#turns) callback()
    }
    this.driver = new Driver(this.engine, transport, clock, { report, turned, budget: MOST })
    this.#listeners = new Listeners(transport, clock, conn => this.driver.accept(conn), report)
    this.configure(config)
  }

  configure(config: SpeakerConfig): void {
    const issues = this.driver.with(engine => engine.configure(config))
    if (issues.length > 0) throw new Error(JSON.stringify(issues))
    this.#listeners.set(config.listenPort ?? 179, config.listenAddresses)
  }

  /** Calls back after each turn, until the function returned is called. */
  onTurn(callback: () => void): () => void {
    this.#turns.add(callback)
    return () => void this.#turns.delete(callback)
  }

  /** Our own routes: prefixes with default attributes, the whole list. */
  originate(...prefixes: readonly string[]): void {
    this.driver.with(engine => engine.originate(prefixes.map(prefix => ({ prefix }))))
  }

  /** The process dies: everything is closed as the system would, and nothing runs any more. */
  kill(): void {
    this.#listeners.set(0, undefined)
    this.driver.dispose()
  }

  stop(mode: 'cease' | 'restart'): void {
    this.#listeners.set(0, undefined)
    this.driver.with(engine => engine.stop(mode))
  }

  peer(name: string): PeerStatus {
    const found = this.engine.statusOf(name)
    if (!found) throw new Error(`no peer ${name}`)
    return found
  }

  /** A whole table: Loc-RIB, or a peer's Adj-RIB-In or Adj-RIB-Out. */
  table(family: Family, table: 'in' | 'loc' | 'out' = 'loc', peer?: string): PathView[] {
    const rib = this.engine.rib(family)
    const id = peer === undefined ? undefined : this.engine.peerId(peer)
    const all: PathView[] = []
    let from = 1 as PrefixId
    do {
      const { rows, next } = rib.walk(table, id ?? null, from, 1000)
      all.push(...rows.map(row => ({ ...row })))
      from = next
    } while (from !== 0)
    return all
  }

  /** `prefix via next-hop [path]` of every best path, sorted: what a test compares. */
  best(family: Family = 'ipv4-unicast'): string[] {
    return this.table(family)
      .map(({ prefix, nextHop, asPath }) => `${prefix} via ${nextHop} [${asPath}]`)
      .toSorted()
  }
}

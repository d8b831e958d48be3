// A table of our own (`dataplane.routeTable`): whether the operator's rules lead packets there, and which routes of main go before ours.
//
// Only what keeps packets from what is wanted is told, by name, with the command that helps; rules are never written. What is said is
// as old as the last look: one follows every change of a rule or a route, and looks take no more than a tenth of the time.

import { isDeepStrictEqual } from 'node:util'
import { familyOf, formatPrefix, parsePrefix, type Prefix, prefixFrom, prefixOf } from '../../../inet/index.ts'
import type { IpFamily, Route, Rtnetlink, Rule } from '../../../netlink/types.ts'
import type { FibResult } from '../../model/fib.ts'
import { type Clock, nextTurn } from '../clock.ts'
import type { KernelMirror } from '../mirror.ts'
import { mainTable } from './route.ts'
import * as say from './own-table-sentences.ts'
import { type Way, wayTo } from './way.ts'

export interface OwnTableOptions {
  readonly socket: Rtnetlink
  readonly mirror: KernelMirror
  readonly clock: Clock
  /** Milliseconds between looks when nothing happens. */
  readonly auditEvery: number
}

/** Wait after an event for the rest of its burst. Milliseconds. */
const settleFor = 50
/** Routes looked at before other work gets its turn. */
const unitsPerTurn = 4096
const families: readonly IpFamily[] = [4, 6]

export class OwnTable {
  readonly #options: OwnTableOptions
  readonly #listeners = new Set<(problems: readonly string[]) => void>()
  readonly #unlisten: () => void
  #ways: Readonly<Record<IpFamily, Way>> | undefined
  #problems: readonly string[] = []
  #unwatch: Promise<() => Promise<void>>
  #cancel: (() => void) | undefined
  #cancelAudit: (() => void) | undefined
  #running: Promise<void> | undefined
  #again = false
  #restUntil = 0
  #closed = false

  constructor(options: OwnTableOptions) {
    this.#options = options
    this.#unwatch = options.socket.watch(['rule4', 'rule6'], () => this.lookSoon())
    this.#unwatch.catch(() => undefined) // looks go on without events
    this.#unlisten = options.mirror.onChange(({ what }) => (what === 'route' ? this.lookSoon() : undefined))
    this.lookSoon()
  }

  /** Sentences for what keeps packets from our routes, or from others' that go before them. */
  get problems(): readonly string[] {
    return this.#problems
  }

  /** Calls back with the problems whenever they are others than before. */
  onProblems(listener: (problems: readonly string[]) => void): void {
    this.#listeners.add(listener)
  }

  /** Why packets to a prefix of which our route is in the table do not take it; undefined: they do. */
  obstacle(prefix: string): FibResult | undefined {
    const ours = parsePrefix(prefix)
    const way = ours && this.#ways?.[ours.family]
    if (!way) return undefined
    const text =
      way.reached === 'never'
        ? say.unreached(this.#table, ours.family, way)
        : this.#above(ours, way).map(route =>
            say.goesBefore(route, this.#deviceOf(route), [prefix], this.#table, way),
          )[0]
    return text === undefined ? undefined : { prefix, state: 'conflict', text }
  }

  lookSoon(): void {
    if (this.#closed || this.#cancel) return
    const { clock } = this.#options
    this.#cancel = clock.after(Math.max(settleFor, this.#restUntil - clock.now()), () => {
      this.#cancel = undefined
      this.#again = true
      this.#running ??= this.#looks().finally(() => (this.#running = undefined))
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#unlisten()
    this.#cancel?.()
    await this.#running
    this.#cancelAudit?.()
    await (
      await this.#unwatch.catch(() => undefined)
    )?.()
  }

  get #table(): number {
    return this.#options.mirror.mark.table
  }

  async #looks(): Promise<void> {
    const { clock, auditEvery } = this.#options
    while (this.#again && !this.#closed) {
      this.#again = false
      const started = clock.now()
      const problems = await this.#look().catch((error: unknown) => [say.unreadable(this.#table, error)])
      this.#restUntil = clock.now() + 10 * (clock.now() - started)
      if (isDeepStrictEqual(problems, this.#problems)) continue
      this.#problems = problems
      for (const listener of this.#listeners) listener(problems)
    }
    this.#cancelAudit?.()
    if (!this.#closed) this.#cancelAudit = clock.after(auditEvery, () => this.lookSoon())
  }

  async #look(): Promise<readonly string[]> {
    const { socket, mirror } = this.#options
    const rules = await socket.rules()
    const way = (family: IpFamily): Way =>
      wayTo(
        this.#table,
        rules.filter((rule: Rule) => rule.family === family),
      )
    const ways = (this.#ways = { 4: way(4), 6: way(6) })
    const counts = { 4: 0, 6: 0 }
    const hidden = new Map<Route, string[]>()
    let units = 0
    for (const key of mirror.oursPrefixes) {
      if (++units % unitsPerTurn === 0) await nextTurn()
      const ours = prefixFrom(key)
      if (!ours) continue
      counts[ours.family]++
      const [route] = this.#above(ours, ways[ours.family])
      if (route) hidden.set(route, [...(hidden.get(route) ?? []), key.text])
    }
    return [
      ...families
        .filter(family => counts[family] > 0 && ways[family].reached === 'never')
        .map(family => say.unreached(this.#table, family, ways[family])),
      ...[...hidden].map(([route, prefixes]) =>
        say.goesBefore(route, this.#deviceOf(route), prefixes, this.#table, ways[familyOf(prefixes[0])]),
      ),
      ...this.#passedOver(ways),
    ]
  }

  /** Routes of main that go before ours for the prefix though they are wider, the longest first. */
  #above(ours: Prefix, { reached, mainAbove }: Way): readonly Route[] {
    if (reached === 'never' || mainAbove === undefined) return []
    const lengths = Array.from({ length: ours.length - mainAbove }, (_, i) => ours.length - i)
    return lengths.flatMap(length => this.#inMain(formatPrefix(prefixOf(ours, length))))
  }

  /** Routes of main that ours go before though they are wider: somebody has put our table first. */
  #passedOver(ways: Readonly<Record<IpFamily, Way>>): readonly string[] {
    const { mirror } = this.#options
    return [...mirror.foreignRoutes()].flatMap(route => {
      const theirs = parsePrefix(route.dst)
      if (!theirs || !isForAll(route)) return []
      const way = ways[theirs.family]
      if (way.reached !== 'always' || way.mainAbove !== undefined) return []
      const lengths = Array.from({ length: theirs.length }, (_, i) => theirs.length - 1 - i)
      const over = lengths.map(length => formatPrefix(prefixOf(theirs, length))).find(each => mirror.ours(each))
      return over === undefined ? [] : [say.passedOver(route, this.#deviceOf(route), over, this.#table, way)]
    })
  }

  #inMain(prefix: string): readonly Route[] {
    return this.#options.mirror.foreign(prefix).filter(isForAll)
  }

  #deviceOf(route: Route): string | undefined {
    return this.#options.mirror.link(route.nextHops[0]?.link ?? -1)?.name
  }
}

/** A route of main by which packets of every kind go. */
function isForAll(route: Route): boolean {
  return (route.table ?? mainTable) === mainTable && (route.tos ?? 0) === 0 && route.type !== 'throw'
}

// The route reconciler: what the classes want against what the kernel has, in the fewest messages.
//
// Callers only change what is wanted; nothing here touches the kernel but one loop, which takes dirty prefixes, lets
// `decide` judge each, sends a batch and notes the answers. A prefix that fails stays with `BackOff` and stops nobody.
// Events, link changes and the slow timer feed the same loop. No write happens before a class is `ready`, no delete
// before every class is `inSync` (design §4, promises 1 to 3); held prefixes wait for that.

import { type PrefixKey, PrefixMap } from '../../../inet/index.ts'
import type { Link, Operation, Result, Route, Rtnetlink } from '../../../netlink/types.ts'
import { type FibClass, fibClasses, type FibEntry, type FibResult } from '../../model/fib.ts'
import { type Clock, nextTurn } from '../clock.ts'
import { type Fight, Fights } from '../fights.ts'
import type { Hit, KernelMirror, MirrorChange } from '../mirror.ts'
import { BackOff } from './back-off.ts'
import { decide, type Step } from './decide.ts'
import { Outcomes } from './outcomes.ts'
import { deletionOf, describe, metricOf, sameRoute, toRoute } from './route.ts'
import { type FibChange, type Flight, type Row, RowQueue, Rows, type Winner, winnerOf } from './rows.ts'
import * as say from './sentences.ts'

export interface RouteTableOptions {
  readonly kernel: Rtnetlink
  readonly mirror: KernelMirror
  readonly clock: Clock
  /** Milliseconds between full audits when nothing happens. */
  readonly auditEvery: number
}

export interface RouteCounts {
  readonly wanted: Readonly<Record<FibClass, number>>
  /** Routes of ours in the kernel. */
  readonly installed: number
  readonly conflicts: number
  readonly failed: number
  /** Waiting for a class to be in sync, or for a fresh dump. */
  readonly held: number
}

/** Messages in one hand-over to the kernel. */
const batchSize = 256
/** Hand-overs under way at once: the kernel works on one while the next is made. */
const batchesInFlight = 3
/** Prefixes judged before sockets and timers get their turn. */
const unitsPerTurn = 4096
/** Wait after an event, so that the rest of its burst (and the echo of our own writes) is in. Milliseconds. */
const settleFor = 20
/** So long after an event of a link or address it is no other program that took routes away, but the kernel. Milliseconds. */
const unrestFor = 5_000
const rememberedUnrest = 1_000

interface Planned extends Flight {
  readonly row: Row
  readonly prefix: string
  readonly winner: Winner | undefined
  readonly step: Exclude<Step, { do: 'nothing' | 'hold' }>
  readonly operation: Operation
}

export class RouteTable {
  readonly #kernel: Rtnetlink
  readonly #mirror: KernelMirror
  readonly #clock: Clock
  readonly #auditEvery: number
  readonly #rows = new Rows()
  readonly #ready = new Set<FibClass>()
  readonly #synced = new Set<FibClass>()
  readonly #backOff: BackOff
  readonly #fights: Fights<Route>
  /** What others did to routes of ours that have not been judged since. */
  readonly #hits = new Map<string, Hit>()
  /** When a link, by name, or an address last came, changed or went. */
  readonly #unrest = new Map<string, number>()
  readonly #outcomes = new Outcomes(prefix => (this.#rows.at(prefix)?.waits ?? 0) > 0)

  /** To be judged: pods before all else. */
  readonly #urgent = new RowQueue(1)
  readonly #dirty = new RowQueue(2)
  readonly #held = new PrefixMap<PrefixKey>()
  /** The kernel may have flushed routes silently: read the table before the next delete. */
  #stale = false
  /** Events were lost, so others may hold what the mirror shows as ours: read the table before the next replace, too. */
  #blind = false
  #rereadAt = 0
  /** A dump was asked for that begins later than the request. */
  #rereadNow = false
  #readError: unknown
  #running: Promise<void> | undefined
  #cancelWake: (() => void) | undefined
  #cancelReread: (() => void) | undefined
  #cancelAudit: (() => void) | undefined
  readonly #unlisten: () => void
  #closed = false

  constructor(options: RouteTableOptions) {
    this.#kernel = options.kernel
    this.#mirror = options.mirror
    this.#clock = options.clock
    this.#auditEvery = options.auditEvery
    this.#fights = new Fights(options.clock)
    this.#backOff = new BackOff(options.clock, prefixes => this.#ask(prefixes))
    this.#unlisten = this.#mirror.onChange(change => this.#heard(change))
    // What was found stays until every class has told what it wants: nothing to judge before.
    for (const key of this.#mirror.oursPrefixes) this.#held.set(key, key)
    this.#armAudit()
  }

  /** The complete list of what a class wants; what it wanted before and is not listed goes. */
  set(owner: FibClass, entries: Iterable<FibEntry>): void {
    this.#wish(this.#rows.set(owner, entries), owner === 'endpoint')
  }

  /** Changes some of what a class wants. */
  patch(owner: FibClass, changes: Iterable<FibChange>): void {
    this.#wish(this.#rows.patch(owner, changes), owner === 'endpoint')
  }

  /** The class's entries may be added, though its list may not be complete yet. */
  ready(owner: FibClass): void {
    if (this.#ready.has(owner)) return
    this.#ready.add(owner)
    this.#release()
  }

  /**
   * The class's list is complete: what it lacks is not wanted. Implies `ready`. Deletes begin when every class has said
   * so, the empty ones too.
   */
  inSync(owner: FibClass): void {
    if (this.#synced.has(owner)) return
    this.#synced.add(owner)
    this.ready(owner)
    this.#release()
  }

  /** Classes that have not declared `inSync` yet: deletes wait for them. */
  get waitingFor(): readonly FibClass[] {
    return fibClasses.filter(owner => !this.#synced.has(owner))
  }

  /** Calls back with what became of prefixes, a batch at a time. Returns the unsubscribe. */
  onResults(listener: (results: readonly FibResult[]) => void): () => void {
    return this.#outcomes.listen(listener)
  }

  /** Tells of a device that was just made, so that routes by it need not wait for its event. */
  learnLink(link: Link): void {
    this.#mirror.noteLink(link)
  }

  /** What becomes of each prefix at its next turn, which is asked for now. Rejects never; a closed table says `failed`. */
  settle(prefixes: readonly string[]): Promise<readonly FibResult[]> {
    const results = prefixes.map(prefix => this.#outcomes.next(prefix))
    this.#ask(prefixes, true)
    return Promise.all(results)
  }

  /** Every conflict and failure that stands, and every route about which another program fights with us. */
  get trouble(): readonly FibResult[] {
    const fights = [...this.#fights.all()].filter(([prefix]) => !this.#outcomes.troubleOf(prefix))
    return [...this.#outcomes.trouble, ...fights.map(([prefix, fight]) => this.#fought(prefix, fight))]
  }

  /** Why the kernel does not hold what is wanted for a prefix; undefined: it does. */
  obstacle(prefix: string): FibResult | undefined {
    if (this.#held.get(prefix)) return { prefix, state: 'held', text: say.held(prefix, this.waitingFor) }
    return this.#outcomes.troubleOf(prefix)
  }

  get counts(): RouteCounts {
    return {
      wanted: {
        endpoint: this.#rows.size('endpoint'),
        tunnel: this.#rows.size('tunnel'),
        bgp: this.#rows.size('bgp'),
        block: this.#rows.size('block'),
      },
      installed: this.#mirror.oursCount,
      conflicts: this.#outcomes.count('conflict'),
      failed: this.#outcomes.count('failed'),
      held: this.#held.size,
    }
  }

  /**
   * Reads links and the whole table again and repairs what differs. Resolves when that is done; rejects if the kernel
   * does not let itself be read.
   */
  async audit(): Promise<void> {
    this.#stale = true
    this.#rereadNow = true
    this.#backOff.hurry(() => true)
    this.#wake()
    await this.idle()
    if (this.#readError !== undefined) throw this.#readError
  }

  /** Resolves when nothing is left to do now: what failed waits for its time, what is held for its class. */
  async idle(): Promise<void> {
    while (
      !this.#closed &&
      (this.#running || this.#cancelWake || this.#rereadNow || this.#urgent.size + this.#dirty.size > 0)
    ) {
      this.#wake()
      await (this.#running ?? nextTurn())
    }
  }

  /** Leaves every route in the kernel: pods and neighbours keep working. */
  async close(): Promise<void> {
    this.#closed = true
    this.#unlisten()
    this.#backOff.stop()
    this.#cancelWake?.()
    this.#cancelReread?.()
    this.#cancelAudit?.()
    await this.#running
    this.#outcomes.close()
  }

  // What makes prefixes dirty.

  #wish(rows: readonly Row[], urgent: boolean): void {
    if (this.#hits.size > 0) for (const { prefix } of rows) this.#hits.delete(prefix)
    this.#touch(rows, urgent)
  }

  #touch(rows: Iterable<Row>, urgent = false): void {
    const queue = urgent ? this.#urgent : this.#dirty
    for (const row of rows) queue.add(row)
    if (queue.size > 0) this.#wake()
  }

  #ask(prefixes: Iterable<string | PrefixKey>, urgent = false): void {
    this.#touch(
      Array.from(prefixes, prefix => this.#rows.obtain(prefix)),
      urgent,
    )
  }

  /** Has those judged again that may have waited for what is so now. What nobody wants waits for the last class. */
  #release(): void {
    if (this.#held.size === 0) return
    const all = this.#mayDelete ? [...this.#held.values()] : this.#heldAndWanted()
    for (const key of all) this.#held.delete(key)
    this.#ask(all)
  }

  #heldAndWanted(): readonly PrefixKey[] {
    return Array.from(this.#rows.wanted(), ({ key }) => key).filter(key => this.#held.get(key))
  }

  get #mayDelete(): boolean {
    return this.#synced.size === fibClasses.length && !this.#stale
  }

  #heard(change: MirrorChange): void {
    switch (change.what) {
      case 'route':
        if (change.hit) this.#hits.set(change.prefix, change.hit)
        // It may sit in the place of ours or behind it, and the event does not tell.
        if (change.hit?.by) this.#invalidate()
        return this.#heardRoute(change.prefix)
      case 'link':
        if (change.renamed) this.#touch(this.#rows.wanted())
        if (!change.isRise && this.#mirror.usesLink(change.link.index)) this.#invalidate()
        return this.#hurry(change.link.name)
      case 'address':
        // A route that prefers a lost address as its source goes with it, whatever its device (fib_sync_down_addr).
        if (this.#mirror.usesLink(change.address.link) || (change.gone && change.address.scope === 'universe'))
          this.#invalidate()
        return this.#hurry(this.#mirror.link(change.address.link)?.name, change.address.cidr.split('/')[0])
      case 'overrun':
        this.#blind = true
        this.#rereadNow = true
        return this.#invalidate()
    }
  }

  /** What failed for want of this device or source address may work now. */
  #hurry(device: string | undefined, source?: string): void {
    this.#noteUnrest(device, source)
    this.#backOff.hurry(prefix => {
      const entry = this.#winner(prefix)?.entry
      return (
        entry === undefined ||
        entry.nextHops.some(hop => hop.device === device) ||
        (source !== undefined && entry.source === source)
      )
    })
  }

  #heardRoute(prefix: string): void {
    const row = this.#rows.obtain(prefix)
    if (row.flight) {
      const { sent } = row.flight
      const now = this.#mirror.ours(prefix)
      if (sent && now ? sameRoute(sent, now) : sent === now) return
      return this.#invalidate() // somebody writes it at the same time: ask the kernel who came last
    }
    this.#dirty.add(row)
    this.#wake(settleFor)
  }

  #invalidate(): void {
    this.#stale = true
    this.#wake(settleFor)
  }

  #armAudit(): void {
    this.#cancelAudit = this.#clock.after(this.#auditEvery, () => {
      this.#invalidate()
      this.#armAudit()
    })
  }

  // The loop.

  #wake(delay = 0): void {
    if (this.#closed || this.#running) return
    if (this.#cancelWake && delay > 0) return
    this.#cancelWake?.()
    this.#cancelWake = undefined
    if (delay > 0) this.#cancelWake = this.#clock.after(delay, () => this.#start())
    else this.#start()
  }

  #start(): void {
    this.#cancelWake = undefined
    this.#running = this.#loop().finally(() => {
      this.#running = undefined
      if (this.#urgent.size > 0 || this.#dirty.size > 0) this.#wake(settleFor)
      if (this.#stale || this.#rereadNow) this.#wakeForReread()
    })
  }

  #wakeForReread(): void {
    if (this.#closed) return
    this.#cancelReread?.()
    this.#cancelReread = this.#clock.after(Math.max(settleFor, this.#rereadAt - this.#clock.now()), () => this.#wake())
  }

  async #loop(): Promise<void> {
    await nextTurn()
    const flights = new Set<Promise<void>>()
    while (!this.#closed) {
      if (this.#rereadNow || (this.#stale && this.#clock.now() >= this.#rereadAt)) {
        await Promise.all(flights)
        await this.#reread()
      }
      const { batch, results } = this.#take()
      if (results.length > 0) this.#outcomes.report(results)
      if (batch.length > 0) {
        const flight = this.#write(batch).finally(() => flights.delete(flight))
        flights.add(flight)
        if (flights.size >= batchesInFlight) await Promise.race(flights)
      } else if (flights.size > 0) await Promise.race(flights)
      else if (this.#urgent.size + this.#dirty.size === 0 && !this.#rereadNow) return
      else await nextTurn()
    }
    await Promise.all(flights)
  }

  /** Dumps never take more than a tenth of the time, however often links change. */
  async #reread(): Promise<void> {
    const started = this.#clock.now()
    this.#rereadNow = false
    try {
      await this.#mirror.rereadLinks()
      this.#stale = false
      await this.#mirror.rereadRoutes()
      this.#blind = false
      this.#rereadAt = this.#clock.now() + 10 * (this.#clock.now() - started)
      this.#release()
      this.#readError = undefined
    } catch (error) {
      this.#readError = error
      this.#stale = true // tried again in a second; adds and replaces go on
      this.#rereadAt = this.#clock.now() + 1000
    }
  }

  #take(): { batch: Planned[]; results: FibResult[] } {
    const batch: Planned[] = []
    const results: FibResult[] = []
    let units = 0
    for (const queue of [this.#urgent, this.#dirty]) {
      while (batch.length < batchSize && units++ < unitsPerTurn) {
        const row = queue.next()
        if (!row) break
        this.#urgent.drop(row)
        this.#dirty.drop(row)
        this.#judge(row, batch, results)
        this.#rows.release(row)
      }
    }
    return { batch, results }
  }

  #winner(prefix: string): Winner | undefined {
    const row = this.#rows.at(prefix)
    return row && winnerOf(row)
  }

  #judge(row: Row, batch: Planned[], results: FibResult[]): void {
    const { prefix, key } = row
    this.#held.delete(key)
    const winner = winnerOf(row)
    const route = winner && toRoute(winner.entry, this.#mirror.mark, name => this.#mirror.linkNamed(name))
    if (route && 'missing' in route) {
      const wait = this.#backOff.failed(prefix)
      results.push({ prefix, state: 'failed', text: say.noDevice(winner.entry, route.missing, wait) })
      return
    }
    const step = decide(
      {
        wanted: winner && route && { class: winner.class, route },
        ours: this.#mirror.ours(key),
        twins: this.#mirror.twins(key),
        mixed: this.#mirror.isMixed(prefix),
        foreign: this.#mirror.foreign(key),
        mayAdd: winner !== undefined && this.#ready.has(winner.class),
        mayReplace: winner !== undefined && this.#aboveSynced(winner.class) && !this.#blind,
        mayDelete: this.#mayDelete,
      },
      this.#mirror.mark,
    )
    this.#noteHit(prefix, winner, step)
    switch (step.do) {
      case 'nothing':
        this.#backOff.succeeded(prefix)
        if (route) this.#mirror.noteWhole(prefix)
        results.push(winner ? this.#installed(prefix, winner) : { prefix, state: 'removed' })
        return
      case 'hold':
        this.#backOff.succeeded(prefix)
        this.#held.set(key, key)
        results.push({ prefix, state: 'held' })
        return
      case 'yield':
        this.#backOff.succeeded(prefix)
        if (step.remove) batch.push(planned(row, winner, step, 'route.delete', deletionOf(step.remove)))
        else if (this.#mirror.ours(key)) this.#held.set(key, key)
        if (!step.remove) results.push(this.#conflict(prefix, winner, step.holder))
        return
      case 'delete':
        batch.push(planned(row, winner, step, 'route.delete', deletionOf(step.route)))
        return
      case 'probe':
        this.#mirror.noteProbed(step.route)
        batch.push(planned(row, winner, step, 'route.delete', deletionOf(step.route)))
        return
      case 'prune':
        batch.push(planned(row, winner, step, 'route.delete', step.route))
        return
      case 'add':
      case 'replace': {
        const wait = this.#fights.wait(prefix)
        const fight = wait > 0 ? this.#fights.at(prefix) : undefined
        if (!fight) return void batch.push(planned(row, winner, step, `route.${step.do}`, step.route))
        this.#backOff.postpone(prefix, wait)
        results.push(this.#fought(prefix, fight))
      }
    }
  }

  /** What an event told of our route has turned out to be somebody's doing: neither an echo nor what follows from a link. */
  #noteHit(prefix: string, winner: Winner | undefined, step: Step): void {
    const hit = this.#hits.size > 0 ? this.#hits.get(prefix) : undefined
    if (hit) this.#hits.delete(prefix)
    if (!winner) this.#fights.forget(prefix)
    else if (hit && step.do !== 'nothing' && step.do !== 'hold' && !this.#isUnrest(winner.entry))
      this.#fights.struck(prefix, hit.by)
  }

  #noteUnrest(...what: readonly (string | undefined)[]): void {
    const now = this.#clock.now()
    for (const one of what) if (one !== undefined) this.#unrest.set(one, now)
    if (this.#unrest.size > rememberedUnrest)
      for (const [one, at] of this.#unrest) if (at <= now - unrestFor) this.#unrest.delete(one)
  }

  #isUnrest({ nextHops, source }: FibEntry): boolean {
    const since = this.#clock.now() - unrestFor
    return [source, ...nextHops.map(hop => hop.device)].some(
      what => what !== undefined && (this.#unrest.get(what) ?? -Infinity) > since,
    )
  }

  #fought(prefix: string, { by, count }: Fight<Route>): FibResult {
    const { mark } = this.#mirror
    return { prefix, state: 'conflict', text: say.fight(this.#winner(prefix)?.entry, prefix, count, by, mark) }
  }

  #aboveSynced(owner: FibClass): boolean {
    if (this.#synced.size === fibClasses.length) return true
    return fibClasses.slice(0, fibClasses.indexOf(owner)).every(above => this.#synced.has(above))
  }

  async #write(batch: readonly Planned[]): Promise<void> {
    const answers = await this.#send(batch.map(one => one.operation))
    const results: FibResult[] = []
    batch.forEach((one, i) => {
      const result = this.#answered(one, answers[i])
      if (result) results.push(result)
    })
    for (const { row } of batch) {
      row.flight = undefined
      this.#urgent.landed(row)
      this.#dirty.landed(row)
      this.#rows.release(row)
    }
    this.#outcomes.report(results)
  }

  async #send(operations: readonly Operation[]): Promise<readonly Result[]> {
    try {
      return await this.#kernel.apply(operations)
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      this.#stale = true // it is not known which of them the kernel took
      return operations.map(() => ({ ok: false, errno: 'EIO', text }))
    }
  }

  #answered({ row, prefix, winner, step }: Planned, answer: Result): FibResult | undefined {
    const { key } = row
    if (step.do === 'prune' && (answer.ok || answer.errno === 'ESRCH')) {
      this.#mirror.noteTwinGone(step.route)
      this.#dirty.add(row)
      return undefined
    }
    if (step.do === 'probe') {
      const isForeign = !answer.ok && answer.errno === 'ESRCH'
      this.#mirror.noteProbe(step.route, answer.ok ? 'gone' : isForeign ? 'foreign' : 'unknown')
      if (answer.ok || isForeign) {
        this.#dirty.add(row)
        return undefined
      }
    }
    // Of several next hops one was another's, or gone before: the kernel shows what is left.
    if (!answer.ok && answer.errno === 'ESRCH' && prefix.includes(':')) this.#stale = true
    if (answer.ok || (answer.errno === 'ESRCH' && (step.do === 'delete' || step.do === 'yield'))) {
      this.#backOff.succeeded(prefix)
      if (step.do === 'add' || step.do === 'replace') this.#mirror.noteWritten(step.route, key)
      else if (this.#mirror.noteDeleted(key)) {
        this.#dirty.add(row) // there was another behind it
        return undefined
      }
      if (step.do === 'yield' && !step.holder.protocol) this.#stale = true // now the kernel names its owner
      if (step.do === 'yield') return this.#conflict(prefix, winner, step.holder)
      return winner ? this.#installed(prefix, winner) : { prefix, state: 'removed' }
    }
    // The key is taken by a route that the mirror does not know, or the mirror's own is gone: look, then judge again.
    if (answer.errno === 'EEXIST' || answer.errno === 'ENOENT') this.#stale = true
    const wait = this.#backOff.failed(prefix)
    const what = winner ? describe(winner.entry) : `${prefix} (to be removed)`
    return { prefix, state: 'failed', text: say.refused(what, answer, wait) }
  }

  /** A pod's route stays beside a foreign one, but packets take the one of the lower metric. */
  #installed(prefix: string, winner: Winner): FibResult {
    if (winner.class !== 'endpoint') return { prefix, state: 'installed' }
    const shadow = this.#mirror.foreign(prefix).find(route => metricOf(route) < this.#mirror.mark.metric)
    if (shadow) return this.#conflict(prefix, winner, shadow)
    return { prefix, state: 'installed' }
  }

  #conflict(prefix: string, winner: Winner | undefined, holder: Route): FibResult {
    const device = this.#mirror.link(holder.nextHops[0]?.link ?? -1)?.name
    return { prefix, state: 'conflict', text: say.conflict(winner?.entry, holder, device) }
  }
}

/** The row's way to the kernel begins. */
function planned(
  row: Row,
  winner: Winner | undefined,
  step: Planned['step'],
  verb: 'route.add' | 'route.replace' | 'route.delete',
  route: Route,
): Planned {
  const sent = 'route' in step && step.do !== 'delete' ? step.route : undefined
  const flight: Planned = { row, prefix: row.prefix, sent, winner, step, operation: { do: verb, route, key: row.key } }
  row.flight = flight
  return flight
}

// The cluster as this node last saw it: every watched record, kept current by the datastore's watch and kept over a restart by a
// checkpoint in the node's own store. A lost datastore changes nothing here (design, promises 3 and 6).

import { setTimeout as sleep } from 'node:timers/promises'
import { clusterIdentity as identity, type Datastore, type Entry, type WatchEvent } from '../datastore/contract.ts'
import type { NodeStore } from '../datastore/node-store.ts'
import { Checkpoint, keyOf } from './checkpoint.ts'
import { guidIn, guidOf, nameCluster, strangeText, unfinishedText } from './identity.ts'
import type { Log } from './log.ts'
import { type Records, ResyncGuard, secondListAfter } from './resync-guard.ts'

export type ClusterState = 'connecting' | 'in sync' | 'lost'

const slowestRetry = 5_000
/** Milliseconds without a record that is put back, after which no more is taken to come. */
const quietFor = 2_000

export class Cluster {
  readonly #datastore: Datastore
  readonly #checkpoint: Checkpoint
  readonly #kinds: readonly string[]
  readonly #log: Log
  readonly #onChange: (kinds: ReadonlySet<string>) => void
  readonly #stopped = new AbortController()
  readonly #guard: ResyncGuard
  readonly #unsound: (entry: Entry) => string | undefined
  readonly #secondListAfter: number
  #entries = new Map<string, Entry>()
  /** Begins the watch anew, so that a complete list comes. */
  #relist = new AbortController()
  #relistTimer: NodeJS.Timeout | undefined
  #quietTimer: NodeJS.Timeout | undefined
  /** What answers is not the store of this node's cluster: nothing of it counts. */
  #isForeign = false
  /** Since it was lost last, what answers has shown that it is. */
  #isKnown = false
  #state: ClusterState = 'connecting'
  #text: string | undefined
  #watching: Promise<void> = Promise.resolve()
  /** What the watch told and has not been obeyed yet; while `#asking`, deletions among it wait for the store's identity. */
  #told: WatchEvent[] = []
  #asking: Promise<void> | undefined

  /** `onChange` hears which kinds changed, also when a checkpoint was loaded or the state changed (then with no kind). */
  constructor(options: {
    readonly datastore: Datastore
    readonly nodeStore: NodeStore
    readonly kinds: readonly string[]
    readonly log: Log
    readonly onChange: (kinds: ReadonlySet<string>) => void
    /** Why a record is none of its kind, with the next step; undefined: it is one. Default: all are. */
    readonly unsound?: (entry: Entry) => string | undefined
    /** Of the records of one sort: the share that a complete list may remove at once. */
    readonly guardPercent: () => number
    /** Milliseconds until a list that is held back is asked for again. Default: a minute. */
    readonly secondListAfter?: number
  }) {
    this.#unsound = options.unsound ?? (() => undefined)
    this.#secondListAfter = options.secondListAfter ?? secondListAfter
    this.#guard = new ResyncGuard({
      percent: options.guardPercent,
      now: () => performance.now(),
      secondListAfter: this.#secondListAfter,
    })
    this.#datastore = options.datastore
    this.#checkpoint = new Checkpoint(options.nodeStore, options.log)
    this.#kinds = [...options.kinds, identity.kind]
    this.#log = options.log
    this.#onChange = options.onChange
  }

  get state(): ClusterState {
    return this.#state
  }

  /** Why it is not in sync, with the next step. */
  get text(): string | undefined {
    return this.#text
  }

  /** What a complete list would remove and is held back; undefined: nothing. */
  get held(): string | undefined {
    return this.#guard.held
  }

  /** The operator believes the list that is held back. False: there is none. */
  acceptHeld(): boolean {
    const records = this.#guard.accept()
    if (!records) return false
    this.#log.warn('the list of the datastore that was held back is accepted')
    this.#changed(this.#take(records))
    return true
  }

  /** Records of one kind, ordered by name. */
  list(kind: string): readonly Entry[] {
    return [...this.#entries.values()]
      .filter(entry => entry.kind === kind)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Loads the checkpoint; true if there was one. */
  async load(): Promise<boolean> {
    this.#entries = new Map(await this.#checkpoint.load())
    return this.#entries.size > 0
  }

  /**
   * Why what answers is not the store of this node's cluster; undefined: it is, or this node has not been in any. Rejects as the
   * datastore does.
   */
  async doubt(): Promise<string | undefined> {
    const mine = guidOf(this.#entries)
    if (this.#isForeign) return this.#text
    if (this.#isKnown || mine === undefined) return undefined
    const doubt = await this.#strangeNow()
    if (doubt === undefined) this.#isKnown = true
    return doubt
  }

  start(): void {
    this.#watching = this.#watch()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    clearTimeout(this.#relistTimer)
    clearTimeout(this.#quietTimer)
    await this.#watching
    await this.#checkpoint.save(this.#entries)
  }

  async #watch(): Promise<void> {
    const signal = this.#stopped.signal
    for (let wait = 200; !signal.aborted; wait = Math.min(wait * 2, slowestRetry)) {
      this.#relist = new AbortController()
      try {
        for await (const event of this.#datastore.watch(this.#kinds, AbortSignal.any([signal, this.#relist.signal]))) {
          this.#hear(event)
          if (this.#isForeign) break // looked at anew after a while: the right store may have taken its place
          wait = 200
        }
      } catch (error) {
        this.#hear({ type: 'lost', reason: error instanceof Error ? error.message : String(error) })
      }
      await this.#asking
      await sleep(wait, undefined, { signal }).catch(() => undefined)
    }
  }

  /** One event after the other; before a deletion or another identity counts, the store has to show that it is this cluster's. */
  #hear(event: WatchEvent): void {
    this.#told.push(event)
    this.#obey()
  }

  #obey(): void {
    while (!this.#asking && this.#told.length > 0) {
      if (this.#told.some(touchesIdentity)) this.#asking = this.#ask(this.#told.splice(0))
      else for (const one of this.#told.splice(0)) this.#apply(one)
    }
  }

  /**
   * Whoever empties a store, or puts another in its place, takes the record of its identity along: of such a store nothing counts,
   * deletions that come first neither.
   */
  async #ask(events: readonly WatchEvent[]): Promise<void> {
    const doubt = await this.#strangeNow().catch((error: unknown) => {
      // Nobody can tell: a complete list will.
      this.#apply({ type: 'lost', reason: error instanceof Error ? error.message : String(error) })
      return ''
    })
    if (doubt) this.#becomeForeign(doubt)
    if (doubt === undefined) for (const event of events) this.#apply(event)
    else this.#told = []
    this.#asking = undefined
    if (doubt !== undefined) this.#relist.abort()
    else this.#obey()
  }

  /** By the record in the store, as `doubt`. */
  async #strangeNow(): Promise<string | undefined> {
    const mine = guidOf(this.#entries)
    if (mine === undefined) return undefined
    const theirs = guidIn(await this.#datastore.get(identity.kind, identity.name))
    return theirs === mine ? undefined : strangeText(theirs)
  }

  #becomeForeign(text: string): void {
    this.#isForeign = true
    this.#isKnown = false
    this.#become('lost', text)
    this.#changed(new Set())
  }

  #apply(event: WatchEvent): void {
    let changed = new Set<string>()
    switch (event.type) {
      case 'snapshot': {
        const listed = new Map(event.entries.map(entry => [keyOf(entry), entry]))
        const unfinished = unfinishedText(listed)
        if (unfinished !== undefined) return this.#becomeForeign(unfinished)
        const [mine, theirs] = [guidOf(this.#entries), guidOf(listed)]
        if (mine !== undefined && mine !== theirs) return this.#becomeForeign(strangeText(theirs))
        this.#isForeign = false
        this.#isKnown = true
        if (theirs === undefined) nameCluster(this.#datastore, this.#log)
        const entries = new Map([...listed].map(([key, entry]) => [key, this.#asLastRead(entry)]))
        changed = this.#take(this.#guard.judge(this.#entries, entries))
        this.#become('in sync')
        this.#watchHold()
        break
      }
      case 'put': {
        if (this.#isForeign) return
        const entry = this.#asLastRead(event.entry)
        this.#entries.set(keyOf(entry), entry)
        changed.add(entry.kind)
        this.#edited(keyOf(entry), entry, changed)
        break
      }
      case 'delete':
        if (this.#isForeign || keyOf(event) === keyOf(identity)) return
        if (this.#entries.delete(keyOf(event))) changed.add(event.kind)
        this.#edited(keyOf(event), undefined, changed)
        break
      case 'bookmark':
        return
      case 'lost':
        this.#isKnown = false
        this.#become('lost', `${event.reason.replace(/\.$/, '')}; what is known stays in force`)
        break
    }
    this.#changed(changed)
  }

  /** A record that cannot be read, as a newer Margay's, or that is none of its kind takes nothing away: it keeps the value that was read last. */
  #asLastRead(entry: Entry): Entry {
    const known = this.#entries.get(keyOf(entry))
    if (!known) return entry
    if (known.version === entry.version && known.unreadable === entry.unreadable) return known
    const unreadable = entry.unreadable ?? this.#unsound(entry)
    if (unreadable === undefined) return entry
    const hasBeenRead = entry.unreadable !== undefined || this.#unsound(known) === undefined
    return hasBeenRead ? { ...entry, unreadable, value: known.value } : entry
  }

  /** A record was changed by itself: that may be the recovery from what is held back. */
  #edited(key: string, entry: Entry | undefined, changed: Set<string>): void {
    const found = this.#guard.edit(this.#entries, key, entry)
    clearTimeout(this.#quietTimer)
    if (found === 'enough')
      this.#quietTimer = setTimeout(() => this.#guard.isEnough && this.#changed(this.#endHold()), quietFor).unref()
    if (found === 'back') for (const kind of this.#endHold()) changed.add(kind)
  }

  /** The kinds of which something changes by it. */
  #endHold(): Set<string> {
    const records = this.#guard.accept()
    if (!records) return new Set()
    this.#log.info('the records that the datastore had lost are back')
    return this.#take(records)
  }

  /** Puts records in force; the kinds of those that differ from before. */
  #take(records: Records): Set<string> {
    const changed = new Set<string>()
    for (const [key, entry] of records) if (this.#entries.get(key)?.version !== entry.version) changed.add(entry.kind)
    for (const [key, entry] of this.#entries) if (!records.has(key)) changed.add(entry.kind)
    this.#entries = new Map(records)
    return changed
  }

  /** While a list is held back, a second one is asked for. */
  #watchHold(): void {
    clearTimeout(this.#relistTimer)
    if (this.#guard.held === undefined) return
    this.#log.warn(this.#guard.held)
    this.#relistTimer = setTimeout(() => this.#relist.abort(), this.#secondListAfter).unref()
  }

  #changed(changed: Set<string>): void {
    const isNew = changed.size > 0
    changed.delete(identity.kind)
    this.#onChange(changed)
    if (isNew) this.#checkpoint.saveSoon(() => this.#entries)
  }

  #become(state: ClusterState, text?: string): void {
    if (state !== this.#state) {
      if (state === 'lost') this.#log.warn('datastore lost', { reason: text })
      else this.#log.info('datastore in sync', { records: this.#entries.size })
    }
    this.#state = state
    this.#text = text
  }
}

/** A deletion may be one of all that there is. */
function touchesIdentity(event: WatchEvent): boolean {
  return event.type === 'delete' || (event.type === 'put' && keyOf(event.entry) === keyOf(identity))
}

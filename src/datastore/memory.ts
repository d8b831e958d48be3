// Stores in memory, for tests: small real implementations of both contracts, with the power to fail.

import {
  type ClusterStore,
  type Entry,
  lockKind,
  lockName,
  type Page,
  StoreError,
  type StoreErrorCode,
  type Version,
  type WatchEvent,
} from './contract.ts'
import { lockedError } from './lock.ts'
import type { Sign } from './presence.ts'
import type { NodeStore, NodeStoreChange } from './node-store.ts'

/** A cluster's store. Values are copied in and out, as a real store does. */
export class MemoryDatastore implements ClusterStore {
  readonly #entries = new Map<string, Entry>()
  readonly #watches = new Set<MemoryWatch>()
  readonly #signs = new Map<string, Omit<Sign, 'isAlive'> & { readonly until: number }>()
  #lastVersion = 0
  #failure: StoreError | undefined

  /** From now on every call fails and watches hear `lost`; without a reason all is well again. */
  fail(reason?: string, code: StoreErrorCode = 'unreachable'): void {
    this.#failure = reason === undefined ? undefined : new StoreError(code, reason)
    for (const watch of this.#watches) {
      if (reason !== undefined) watch.lose(reason)
      else watch.restart(this.#ofKinds(watch.kinds))
    }
  }

  async get(kind: string, name: string): Promise<Entry | undefined> {
    this.#reach()
    return structuredClone(this.#entries.get(keyOf(kind, name)))
  }

  async list(kind: string, page?: { readonly next?: string; readonly limit?: number }): Promise<Page> {
    this.#reach()
    const limit = page?.limit ?? 500
    const rest = this.#ofKinds([kind]).filter(entry => entry.name > (page?.next ?? ''))
    const entries = rest.slice(0, limit)
    return { entries, next: rest.length > limit ? entries.at(-1)?.name : undefined }
  }

  async create(kind: string, name: string, value: unknown): Promise<Version> {
    this.#reach()
    this.#mustBeUnlocked(kind)
    if (this.#entries.has(keyOf(kind, name)))
      throw new StoreError('exists', `${kind} ${name} exists already. Read it, and update it if it shall change.`)
    return this.#put(kind, name, value)
  }

  async update(kind: string, name: string, value: unknown, version: Version): Promise<Version> {
    this.#mustBe(kind, name, version)
    return this.#put(kind, name, value)
  }

  async delete(kind: string, name: string, version?: Version): Promise<void> {
    this.#mustBe(kind, name, version)
    this.#entries.delete(keyOf(kind, name))
    for (const watch of this.#watches) watch.tell(kind, { type: 'delete', kind, name })
  }

  /** All records go at once, as somebody may delete them past Margay. */
  wipe(): void {
    const gone = [...this.#entries.values()].toSorted((a, b) =>
      keyOf(a.kind, a.name) < keyOf(b.kind, b.name) ? -1 : 1,
    )
    this.#entries.clear()
    for (const { kind, name } of gone)
      for (const watch of this.#watches) watch.tell(kind, { type: 'delete', kind, name })
  }

  async tryWrite(): Promise<void> {
    this.#reach()
    this.#mustBeUnlocked('')
  }

  async kinds(): Promise<readonly string[]> {
    this.#reach()
    return [...new Set([...this.#entries.values()].map(entry => entry.kind))].toSorted()
  }

  async *watch(kinds: readonly string[], signal: AbortSignal): AsyncGenerator<WatchEvent, void> {
    const watch = new MemoryWatch(kinds, signal)
    this.#watches.add(watch)
    try {
      if (this.#failure) watch.lose(this.#failure.message)
      else watch.restart(this.#ofKinds(kinds))
      for (;;) {
        const event = await watch.next()
        if (!event) return
        yield event
      }
    } finally {
      this.#watches.delete(watch)
      watch.end()
    }
  }

  async keepAlive(name: string, about: unknown, seconds: number): Promise<void> {
    this.#reach()
    const seen = new Date().toISOString()
    this.#signs.set(name, { name, about: structuredClone(about), seen, until: performance.now() + seconds * 1000 })
  }

  async sign(name: string): Promise<Sign | undefined> {
    return (await this.signs()).find(sign => sign.name === name)
  }

  async signs(): Promise<readonly Sign[]> {
    this.#reach()
    const all = [...this.#signs.values()].map(({ until, ...sign }) => ({ ...sign, isAlive: until > performance.now() }))
    return all.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  async forget(name: string): Promise<void> {
    this.#reach()
    this.#signs.delete(name)
  }

  async close(): Promise<void> {
    for (const watch of this.#watches) watch.end()
  }

  #put(kind: string, name: string, value: unknown): Version {
    const version = String(++this.#lastVersion) as Version
    const entry = { kind, name, version, value: structuredClone(value) }
    this.#entries.set(keyOf(kind, name), entry)
    for (const watch of this.#watches) watch.tell(kind, { type: 'put', entry: structuredClone(entry) })
    return version
  }

  #mustBe(kind: string, name: string, version: Version | undefined): void {
    this.#reach()
    this.#mustBeUnlocked(kind)
    const found = this.#entries.get(keyOf(kind, name))
    if (!found) throw new StoreError('not-found', `${kind} ${name} does not exist. List what there is, or create it.`)
    if (version !== undefined && found.version !== version)
      throw new StoreError(
        'conflict',
        `${kind} ${name} was changed by somebody else meanwhile. Read it again and repeat the change.`,
      )
  }

  #mustBeUnlocked(kind: string): void {
    const lock = this.#entries.get(keyOf(lockKind, lockName))
    if (lock && kind !== lockKind) throw lockedError(lock.value)
  }

  #ofKinds(kinds: readonly string[]): Entry[] {
    return [...this.#entries.values()]
      .filter(entry => kinds.includes(entry.kind))
      .toSorted((a, b) => (keyOf(a.kind, a.name) < keyOf(b.kind, b.name) ? -1 : 1))
      .map(entry => structuredClone(entry))
  }

  #reach(): void {
    if (this.#failure) throw new StoreError(this.#failure.code, this.#failure.message)
  }
}

function keyOf(kind: string, name: string): string {
  return `${kind}/${name}`
}

class MemoryWatch {
  readonly kinds: readonly string[]
  #events: WatchEvent[] = []
  #wake: (() => void) | undefined
  #ended = false

  constructor(kinds: readonly string[], signal: AbortSignal) {
    this.kinds = kinds
    if (signal.aborted) this.end()
    signal.addEventListener('abort', () => this.end(), { once: true })
  }

  tell(kind: string, event: WatchEvent): void {
    if (this.kinds.includes(kind)) this.#push(event, { type: 'bookmark' })
  }

  restart(entries: readonly Entry[]): void {
    this.#push({ type: 'snapshot', entries })
  }

  lose(reason: string): void {
    this.#push({ type: 'lost', reason })
  }

  end(): void {
    this.#ended = true
    this.#push()
  }

  /** Undefined: the watch has ended. */
  async next(): Promise<WatchEvent | undefined> {
    while (!this.#ended && this.#events.length === 0) await new Promise<void>(resolve => (this.#wake = resolve))
    return this.#ended ? undefined : this.#events.shift()
  }

  #push(...events: WatchEvent[]): void {
    this.#events.push(...events)
    this.#wake?.()
    this.#wake = undefined
  }
}

/** A node's own store. `tables` outlives it, as a disk outlives a process. */
export class MemoryNodeStore implements NodeStore {
  readonly tables: Map<string, Map<string, unknown>>

  constructor(tables = new Map<string, Map<string, unknown>>()) {
    this.tables = tables
  }

  async all(table: string): Promise<readonly { readonly key: string; readonly value: unknown }[]> {
    const rows = [...(this.tables.get(table) ?? [])].map(([key, value]) => ({ key, value: structuredClone(value) }))
    return rows.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  }

  async commit(changes: readonly NodeStoreChange[]): Promise<void> {
    for (const change of changes) {
      let rows = this.tables.get(change.table)
      if (!rows) this.tables.set(change.table, (rows = new Map()))
      if (change.do === 'put') rows.set(change.key, structuredClone(change.value))
      else rows.delete(change.key)
    }
  }

  async close(): Promise<void> {}
}

// Watches on the cluster's store. Runs in the worker.
//
// A watch is a place in the log of changes. The consumer asks for what is next and gets all since its place at once, each record
// in its latest state, so a slow consumer costs no memory. A watch whose place was trimmed from the log, or that could not
// read the store, starts anew with a snapshot.

import type { DatabaseSync } from 'node:sqlite'
import type { WatchEvent } from '../contract.ts'
import type { ClusterFile } from './file.ts'
import { toEntry } from './record.ts'

interface Watch {
  readonly kinds: readonly string[]
  /** Number of the last change told; undefined: a snapshot comes next. */
  place: number | undefined
  /** The generation of the file that the place is in. */
  generation: number
  /** The consumer knows that the store cannot be read. */
  lost: boolean
  /** Answers the consumer that waits for news; undefined: none waits. */
  answer: ((events: readonly WatchEvent[]) => void) | undefined
}

export class Watches {
  readonly #file: ClusterFile
  readonly #watches = new Map<number, Watch>()
  #lastId = 0

  constructor(file: ClusterFile) {
    this.#file = file
  }

  open(kinds: readonly string[]): number {
    this.#watches.set(++this.#lastId, { kinds, place: undefined, generation: 0, lost: false, answer: undefined })
    this.#file.listen(() => this.wake())
    return this.#lastId
  }

  /** What happened since the last answer, at once or as soon as there is something; nothing when the watch was closed. */
  next(id: number): Promise<readonly WatchEvent[]> {
    const watch = this.#watches.get(id)
    if (!watch) return Promise.resolve([])
    return new Promise(resolve => {
      watch.answer = resolve
      this.#try(watch)
    })
  }

  /** Looks for news, for every consumer that waits. */
  wake(): void {
    for (const watch of this.#watches.values()) if (watch.answer) this.#try(watch)
  }

  close(id: number): void {
    this.#watches.get(id)?.answer?.([])
    this.#watches.delete(id)
    if (this.#watches.size === 0) this.#file.deafen()
  }

  closeAll(): void {
    for (const id of this.#watches.keys()) this.close(id)
  }

  #try(watch: Watch): void {
    const events = this.#read(watch)
    if (events.length === 0) return
    const { answer } = watch
    watch.answer = undefined
    answer?.(events)
  }

  #read(watch: Watch): readonly WatchEvent[] {
    try {
      const db = this.#file.database()
      if (watch.generation !== this.#file.generation) watch.place = undefined
      watch.generation = this.#file.generation
      db.exec('BEGIN')
      try {
        const events = watch.place === undefined ? snapshot(db, watch) : changes(db, watch, watch.place)
        watch.lost = false
        return events
      } finally {
        db.exec('COMMIT')
      }
    } catch (error) {
      watch.place = undefined
      if (watch.lost) return []
      watch.lost = true
      return [{ type: 'lost', reason: this.#file.plain(error).message }]
    }
  }
}

function snapshot(db: DatabaseSync, watch: Watch): WatchEvent[] {
  const entries = db
    .prepare(`SELECT kind, name, version, value FROM entries WHERE kind IN (${marks(watch)}) ORDER BY kind, name`)
    .all(...watch.kinds)
    .map(toEntry)
  watch.place = lastNumber(db)
  return [{ type: 'snapshot', entries }]
}

function changes(db: DatabaseSync, watch: Watch, place: number): WatchEvent[] {
  const last = lastNumber(db)
  if (last === place) return []
  const { first } = db.prepare('SELECT min(number) AS first FROM changes').get() as { first: number | null }
  if (first === null || first > place + 1 || last < place) return snapshot(db, watch)
  const rows = db
    .prepare(
      `SELECT c.kind, c.name, e.version, e.value
         FROM (SELECT kind, name, max(number) AS number FROM changes
                WHERE number > ? AND kind IN (${marks(watch)}) GROUP BY kind, name) c
         LEFT JOIN entries e ON e.kind = c.kind AND e.name = c.name
        ORDER BY c.number`,
    )
    .all(place, ...watch.kinds)
  watch.place = last
  if (rows.length === 0) return []
  const events = rows.map((row): WatchEvent =>
    row['value'] === null
      ? { type: 'delete', kind: String(row['kind']), name: String(row['name']) }
      : { type: 'put', entry: toEntry(row) },
  )
  return [...events, { type: 'bookmark' }]
}

function lastNumber(db: DatabaseSync): number {
  const row = db.prepare('SELECT max(number) AS last FROM changes').get()
  return Number(row?.['last'] ?? 0)
}

function marks(watch: Watch): string {
  return watch.kinds.map(() => '?').join(', ')
}

// One record a prefix: what every class wants there, and where it is on its way to the kernel. It is found by the prefix's numbers once and
// handed on from there: of a hundred thousand routes, looking them up in one table after the other was most of the work.

import { keyOf, type PrefixKey, PrefixMap } from '../../../inet/index.ts'
import type { Route } from '../../../netlink/types.ts'
import { equalFibEntries, type FibClass, type FibEntry } from '../../model/fib.ts'

export interface FibChange {
  readonly prefix: string
  /** The same for maps, from whoever has it. */
  readonly key?: PrefixKey
  /** Absent: the class wants no route for the prefix any more. */
  readonly entry?: FibEntry
}

export interface Winner {
  readonly class: FibClass
  readonly entry: FibEntry
}

/** By class: what it wants. */
export interface Row extends Record<FibClass, FibEntry | undefined> {
  readonly prefix: string
  readonly key: PrefixKey
  /** The queues in which it waits, by their bits. */
  waits: number
  /** What is on its way to the kernel. */
  flight: Flight | undefined
}

export interface Flight {
  /** Undefined: a delete. */
  readonly sent: Route | undefined
}

export class Rows {
  readonly #rows = new PrefixMap<Row>()
  readonly #sizes: Record<FibClass, number> = { endpoint: 0, tunnel: 0, bgp: 0, block: 0 }
  /** All rows of a class whose list was given as a whole; of others it is not kept. */
  readonly #listed = new Map<FibClass, ReadonlySet<Row>>()

  /** Replaces all that the class wants; returns the rows whose entry changed. */
  set(owner: FibClass, entries: Iterable<FibEntry>): Row[] {
    const before = this.#listed.get(owner) ?? [...this.#rows.values()].filter(row => row[owner])
    const after = new Set<Row>()
    const changed: Row[] = []
    for (const entry of entries) {
      const row = this.obtain(entry.prefix)
      after.add(row)
      if (this.#put(owner, row, entry)) changed.push(row)
    }
    for (const row of before) if (!after.has(row) && this.#put(owner, row, undefined)) changed.push(row)
    this.#listed.set(owner, after)
    return changed
  }

  /** Changes some; returns the rows whose entry changed. */
  patch(owner: FibClass, changes: Iterable<FibChange>): Row[] {
    this.#listed.delete(owner)
    const changed: Row[] = []
    for (const { prefix, key = prefix, entry } of changes) {
      const row = entry ? this.obtain(key) : this.#rows.get(key)
      if (row && this.#put(owner, row, entry)) changed.push(row)
    }
    return changed
  }

  at(prefix: string): Row | undefined {
    return this.#rows.get(prefix)
  }

  obtain(prefix: string | PrefixKey): Row {
    const key = typeof prefix === 'string' ? keyOf(prefix) : prefix
    const known = this.#rows.get(key)
    if (known) return known
    const none = undefined
    const row: Row = {
      prefix: key.text,
      key,
      endpoint: none,
      tunnel: none,
      bgp: none,
      block: none,
      waits: 0,
      flight: none,
    }
    this.#rows.set(key, row)
    return row
  }

  /** Forgets the row if nobody wants anything there, and nothing is under way. */
  release(row: Row): void {
    if (row.waits === 0 && !row.flight && !isWanted(row)) this.#rows.delete(row.key)
  }

  /** All where some class wants a route. */
  *wanted(): Iterable<Row> {
    for (const row of this.#rows.values()) if (isWanted(row)) yield row
  }

  size(owner: FibClass): number {
    return this.#sizes[owner]
  }

  #put(owner: FibClass, row: Row, entry: FibEntry | undefined): boolean {
    const old = row[owner]
    if (entry ? old && equalFibEntries(old, entry) : !old) return false
    row[owner] = entry
    this.#sizes[owner] += Number(entry !== undefined) - Number(old !== undefined)
    return true
  }
}

/** The first class, by the order of `fibClasses`, that wants a route. */
export function winnerOf({ endpoint, tunnel, bgp, block }: Row): Winner | undefined {
  if (endpoint) return { class: 'endpoint', entry: endpoint }
  if (tunnel) return { class: 'tunnel', entry: tunnel }
  if (bgp) return { class: 'bgp', entry: bgp }
  return block && { class: 'block', entry: block }
}

function isWanted({ endpoint, tunnel, bgp, block }: Row): boolean {
  return (endpoint ?? tunnel ?? bgp ?? block) !== undefined
}

/** Rows that wait to be judged, the longest first. One that is in flight has its turn when it has landed. */
export class RowQueue {
  readonly #bit: number
  /** Among them some that wait no more. */
  #rows: Row[] = []
  #next = 0
  #size = 0

  constructor(bit: number) {
    this.#bit = bit
  }

  /** How many wait. */
  get size(): number {
    return this.#size
  }

  add(row: Row): void {
    if (row.waits & this.#bit) return
    row.waits |= this.#bit
    this.#size++
    if (!row.flight) this.#rows.push(row)
  }

  /** The next one. It waits on until it is dropped. */
  next(): Row | undefined {
    while (this.#next < this.#rows.length) {
      const row = this.#rows[this.#next++]
      if (row.waits & this.#bit && !row.flight) return row
    }
    this.#rows = []
    this.#next = 0
    return undefined
  }

  drop(row: Row): void {
    if (!(row.waits & this.#bit)) return
    row.waits &= ~this.#bit
    this.#size--
  }

  landed(row: Row): void {
    if (row.waits & this.#bit) this.#rows.push(row)
  }
}

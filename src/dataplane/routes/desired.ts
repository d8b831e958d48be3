// What every class wants in the routing table, and which class wins a prefix (order of `fibClasses`).

import { equalFibEntries, type FibClass, fibClasses, type FibEntry } from '../../model/fib.ts'

export interface FibChange {
  readonly prefix: string
  /** Absent: the class wants no route for the prefix any more. */
  readonly entry?: FibEntry
}

export interface Winner {
  readonly class: FibClass
  readonly entry: FibEntry
}

export class DesiredRoutes {
  /** In the order of precedence. */
  readonly #classes = fibClasses.map(name => ({ name, entries: new Map<string, FibEntry>() }))

  /** Replaces all that the class wants; returns the prefixes whose entry changed. */
  set(owner: FibClass, entries: Iterable<FibEntry>): string[] {
    const row = this.#row(owner)
    const before = row.entries
    const after = new Map<string, FibEntry>()
    const changed: string[] = []
    for (const entry of entries) {
      after.set(entry.prefix, entry)
      const old = before.get(entry.prefix)
      if (!old || !equalFibEntries(old, entry)) changed.push(entry.prefix)
    }
    for (const prefix of before.keys()) if (!after.has(prefix)) changed.push(prefix)
    row.entries = after
    return changed
  }

  /** Changes some; returns the prefixes whose entry changed. */
  patch(owner: FibClass, changes: Iterable<FibChange>): string[] {
    const { entries } = this.#row(owner)
    const changed: string[] = []
    for (const { prefix, entry } of changes) {
      const old = entries.get(prefix)
      if (entry ? old && equalFibEntries(old, entry) : !old) continue
      if (entry) entries.set(prefix, entry)
      else entries.delete(prefix)
      changed.push(prefix)
    }
    return changed
  }

  entry(owner: FibClass, prefix: string): FibEntry | undefined {
    return this.#row(owner).entries.get(prefix)
  }

  winner(prefix: string): Winner | undefined {
    for (const { name, entries } of this.#classes) {
      const entry = entries.size > 0 ? entries.get(prefix) : undefined
      if (entry) return { class: name, entry }
    }
    return undefined
  }

  /** Every prefix that some class wants; one wanted by several comes several times. */
  *prefixes(): Iterable<string> {
    for (const { entries } of this.#classes) yield* entries.keys()
  }

  size(owner: FibClass): number {
    return this.#row(owner).entries.size
  }

  #row(owner: FibClass): { entries: Map<string, FibEntry> } {
    const row = this.#classes.find(({ name }) => name === owner)
    if (!row) throw new TypeError(`no such class: ${owner}`)
    return row
  }
}

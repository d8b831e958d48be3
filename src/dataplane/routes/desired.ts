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
  readonly #classes = new Map<FibClass, Map<string, FibEntry>>(fibClasses.map(name => [name, new Map()]))

  /** Replaces all that the class wants; returns the prefixes whose entry changed. */
  set(owner: FibClass, entries: Iterable<FibEntry>): string[] {
    const before = this.#of(owner)
    const after = new Map<string, FibEntry>()
    const changed: string[] = []
    for (const entry of entries) {
      after.set(entry.prefix, entry)
      const old = before.get(entry.prefix)
      if (!old || !equalFibEntries(old, entry)) changed.push(entry.prefix)
    }
    for (const prefix of before.keys()) if (!after.has(prefix)) changed.push(prefix)
    this.#classes.set(owner, after)
    return changed
  }

  /** Changes some; returns the prefixes whose entry changed. */
  patch(owner: FibClass, changes: Iterable<FibChange>): string[] {
    const entries = this.#of(owner)
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
    return this.#of(owner).get(prefix)
  }

  winner(prefix: string): Winner | undefined {
    for (const owner of fibClasses) {
      const entries = this.#of(owner)
      const entry = entries.size > 0 ? entries.get(prefix) : undefined
      if (entry) return { class: owner, entry }
    }
    return undefined
  }

  /** Every prefix that some class wants; one wanted by several comes several times. */
  *prefixes(): Iterable<string> {
    for (const entries of this.#classes.values()) yield* entries.keys()
  }

  size(owner: FibClass): number {
    return this.#of(owner).size
  }

  #of(owner: FibClass): Map<string, FibEntry> {
    const entries = this.#classes.get(owner)
    if (!entries) throw new TypeError(`no such class: ${owner}`)
    return entries
  }
}

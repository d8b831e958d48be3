// A complete list of the datastore that lacks most of what was known is not believed at once (docs/design.md, promise 6).
//
// A restored backup, a half-written store, a wrong prefix look like an operator who deletes everything, and obeying would cut off every
// pod. So records that such a list lacks stay in force, while what it adds and changes counts. The hold ends when the records are back,
// when the operator accepts the list, or when a second complete list a minute later equals the first. Single edits are never held.
// Pure: the clock is passed in, and asking for the second list is the caller's work.

import type { Entry } from '../datastore/contract.ts'

/** Records by `kind/name`. */
export type Records = ReadonlyMap<string, Entry>

/** What is counted together, and under which word. */
const groups: Readonly<Record<string, string>> = { Node: 'peers', BGPPeer: 'peers', IPPool: 'pools', Block: 'blocks' }
/** Fewer than so many are never held: small clusters change by one node at a time. */
const atLeast = 2
/** The usual time between two equal lists that are believed, in milliseconds. */
export const secondListAfter = 60_000

export interface Loss {
  readonly what: string
  readonly gone: number
  readonly of: number
}

/** Groups of which more than `percent` would go. */
export function massLosses(known: Records, fresh: Records, percent: number): readonly Loss[] {
  const counted = new Map<string, { gone: number; of: number }>()
  for (const [key, { kind }] of known) {
    const what = groups[kind]
    if (what === undefined) continue
    const count = counted.get(what) ?? { gone: 0, of: 0 }
    counted.set(what, { gone: count.gone + (fresh.has(key) ? 0 : 1), of: count.of + 1 })
  }
  return [...counted]
    .filter(([, { gone, of }]) => gone >= atLeast && gone * 100 > of * percent)
    .map(([what, count]) => ({ what, ...count }))
}

export interface ResyncGuardOptions {
  /** Share of a group that one list may remove. */
  readonly percent: () => number
  /** Milliseconds, from any start. */
  readonly now: () => number
  /** Milliseconds between two equal lists that are believed. */
  readonly secondListAfter: number
}

export class ResyncGuard {
  readonly #options: ResyncGuardOptions
  /** What the store says, kept current by its events, since when, and what of it is held. */
  #pending: { readonly records: Map<string, Entry>; readonly since: number; losses: readonly Loss[] } | undefined

  constructor(options: ResyncGuardOptions) {
    this.#options = options
  }

  /** What is held back, for people; undefined: nothing. */
  get held(): string | undefined {
    if (!this.#pending) return undefined
    if (this.isEnough)
      return 'the records that the datastore lacked come back: what is known stays in force until no more come'
    const losses = this.#pending.losses.map(({ what, gone, of }) => `${gone} of ${of} ${what}`).join(', ')
    return `the datastore came back without ${losses}: what is known stays in force; put the records back, or accept that they are gone: margayctl guard accept`
  }

  /** As much is back as one list may lack. */
  get isEnough(): boolean {
    return this.#pending?.losses.length === 0
  }

  /** What is in force after a complete list: `fresh`, or with it what it lacks of `known`. */
  judge(known: Records, fresh: Records): Records {
    const losses = massLosses(known, fresh, this.#options.percent())
    const before = this.#pending
    const isSecond = before !== undefined && sameRecords(before.records, fresh)
    if (losses.length === 0 || (isSecond && this.#options.now() - before.since >= this.#options.secondListAfter)) {
      this.#pending = undefined
      return fresh
    }
    this.#pending = { records: new Map(fresh), since: isSecond ? before.since : this.#options.now(), losses }
    return new Map([...known, ...fresh])
  }

  /**
   * A single edit after the list: `entry` absent, the record was deleted. `back`: all is there again, and the hold is over; `enough`:
   * it may end with `accept` when no more comes, for records are put back one after the other.
   */
  edit(known: Records, key: string, entry?: Entry): 'back' | 'enough' | undefined {
    if (!this.#pending) return undefined
    const { records } = this.#pending
    if (entry) records.set(key, entry)
    else records.delete(key)
    this.#pending.losses = massLosses(known, records, this.#options.percent())
    if (this.#pending.losses.length > 0) return undefined
    return [...known.keys()].every(each => records.has(each)) ? 'back' : 'enough'
  }

  /** The operator believes the list. Answers what is in force from now on; undefined: nothing was held. */
  accept(): Records | undefined {
    const records = this.#pending?.records
    this.#pending = undefined
    return records
  }
}

function sameRecords(a: Records, b: Records): boolean {
  return a.size === b.size && [...a].every(([key, { version }]) => b.get(key)?.version === version)
}

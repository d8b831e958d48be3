// A block more before the last address is given: while many pods come at once, a claim is a row of calls to the datastore for which all of
// them would have to wait. At the pace of the last second it is seen coming. Where pods come one by one, none is claimed that may
// never be needed.
//
// Only the datastore's part of the claim is done beside what the node gives meanwhile (OwnBlocks.claimAhead). Nothing else that looks at
// records of blocks begins before it has ended, and the block is the node's own by a change like any other.

import type { IpFamily } from '../../inet/index.ts'

/** How far it is looked ahead, and how long nothing is tried after a claim that came to nothing. Milliseconds. */
const horizon = 1_000

export class Pace {
  readonly #given: Record<IpFamily, number[]> = { 4: [], 6: [] }
  #quietUntil = -Infinity

  /** So many addresses of the family were given at `now`, milliseconds since 1970. Answers how many more will be, soon. */
  given(family: IpFamily, count: number, now: number): number {
    // The clock may have been set back.
    const recent = this.#given[family].filter(at => Math.abs(now - at) < horizon)
    this.#given[family] = [...recent, ...Array.from<number>({ length: count }).fill(now)]
    return this.#given[family].length
  }

  /** A claim came to nothing. */
  failed(now: number): void {
    this.#quietUntil = now + horizon
  }

  isQuiet(now: number): boolean {
    return now < this.#quietUntil && this.#quietUntil - now <= horizon
  }
}

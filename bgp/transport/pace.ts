// How much a turn may do: as many units as fit into a few milliseconds of this processor, with code that V8 has compiled or has not yet.

/** Milliseconds above which a turn was too long, and below which one may do more. */
const LONG = 8
const SHORT = 3
/** Units of a turn, prefixes and messages: the first, the fewest, the most. */
const FIRST = 512
const FEWEST = 256
export const MOST = 8192

export class Pace {
  readonly #fixed: boolean
  #units: number

  /** `units`: so many always, whatever time they take. */
  constructor(units?: number) {
    this.#fixed = units !== undefined
    this.#units = units ?? FIRST
  }

  /** For the next turn. */
  get units(): number {
    return this.#units
  }

  /** A turn took so many milliseconds. `full`: it left something for the next. */
  took(milliseconds: number, full: boolean): void {
    if (this.#fixed) return
    if (milliseconds > LONG) this.#units = Math.max(FEWEST, this.#units >> 1)
    else if (full && milliseconds < SHORT) this.#units = Math.min(MOST, this.#units * 2)
  }
}

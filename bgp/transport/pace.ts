// How much a turn may do: as many units as fit into a few milliseconds of this processor, with code that V8 has compiled or has not yet.

/** Milliseconds above which a turn was too long, and below which one may do more. */
const LONG = 8
const SHORT = 3
/** Units of the first turn, and the fewest. */
const FIRST = 512
const FEWEST = 256

export class Pace {
  readonly #most: number
  #units: number

  /** `most`: units that no turn goes beyond. */
  constructor(most: number) {
    this.#most = most
    this.#units = Math.min(FIRST, most)
  }

  /** For the next turn. */
  get units(): number {
    return this.#units
  }

  /** A turn took so many milliseconds. `full`: it left something for the next. */
  took(milliseconds: number, full: boolean): void {
    if (milliseconds > LONG) this.#units = Math.max(Math.min(FEWEST, this.#most), this.#units >> 1)
    else if (full && milliseconds < SHORT) this.#units = Math.min(this.#most, this.#units * 2)
  }
}

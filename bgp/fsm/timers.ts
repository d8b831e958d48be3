// One timer wheel for all sessions. The shell keeps a single timer of its own, for `next`.
//
// A wheel of slots, each a list of timer ids. Arming a timer again for later, as every message does with the hold timer,
// only writes its deadline; the entry moves when its slot comes round. Times are milliseconds of the caller's clock.

const SLOTS = 512
const SLOT_MS = 128

/** A timer, dense from 0. */
export type TimerId = number

export class TimerWheel {
  /** Most are empty, and a simulation has thousands of wheels. */
  readonly #slots: (TimerId[] | undefined)[] = Array.from({ length: SLOTS }, () => undefined)
  /** By timer: when it is due (Infinity = not armed), and the slot that holds its entry (-1 = none). */
  readonly #due: number[] = []
  readonly #slot: number[] = []
  readonly #free: TimerId[] = []
  /** Everything before this is done. */
  #now: number
  #armed = 0

  constructor(now: number) {
    this.#now = now
  }

  /** A timer of your own, not armed. */
  create(): TimerId {
    const id = this.#free.pop() ?? this.#due.length
    this.#due[id] = Infinity
    this.#slot[id] ??= -1
    return id
  }

  /** Gives a timer back. */
  destroy(id: TimerId): void {
    this.disarm(id)
    this.#free.push(id)
  }

  /** Fires at `at`; replaces an earlier deadline. */
  arm(id: TimerId, at: number): void {
    if (this.#due[id] === Infinity) this.#armed++
    const sooner = at < this.#due[id]
    this.#due[id] = at
    // An entry in a slot that comes no later than the deadline will find its way; a sooner deadline needs a new one.
    if (this.#slot[id] < 0 || sooner) this.#place(id)
  }

  disarm(id: TimerId): void {
    if (this.#due[id] === Infinity) return
    this.#due[id] = Infinity
    this.#armed--
  }

  isArmed(id: TimerId): boolean {
    return this.#due[id] !== Infinity
  }

  /** Calls `fire` for every timer due at `now`; those are disarmed before. */
  advance(now: number, fire: (id: TimerId) => void): void {
    const from = Math.floor(this.#now / SLOT_MS)
    const steps = Math.min(Math.floor(now / SLOT_MS) - from, SLOTS - 1)
    this.#now = Math.max(this.#now, now)
    const due: TimerId[] = []
    for (let i = 0; i <= steps; i++) this.#sweep((from + i) % SLOTS, now, due)
    due.sort((a, b) => this.#due[a] - this.#due[b])
    for (const id of due) {
      if (this.#due[id] > now) continue // an earlier one has disarmed it, or armed it again
      this.disarm(id)
      fire(id)
    }
  }

  /** When to call `advance` next; Infinity if nothing is armed. It may find nothing to do then. */
  next(): number {
    if (this.#armed === 0) return Infinity
    const from = Math.floor(this.#now / SLOT_MS)
    let farthest = Infinity
    for (let i = 0; i < SLOTS; i++) {
      const entries = this.#slots[(from + i) % SLOTS]
      if (entries) for (const id of entries) farthest = Math.min(farthest, this.#due[id])
      // Nothing in a later slot of this round is due before the end of this one.
      if (farthest < (from + i + 1) * SLOT_MS) return farthest
    }
    return farthest
  }

  /** Takes what is due out of a slot, and puts what is due later where it belongs. */
  #sweep(slot: number, now: number, due: TimerId[]): void {
    const entries = this.#slots[slot]
    if (!entries) return
    this.#slots[slot] = undefined
    for (const id of entries) {
      if (this.#slot[id] !== slot) continue // it has another entry by now
      this.#slot[id] = -1
      if (this.#due[id] <= now) due.push(id)
      else if (this.#due[id] !== Infinity) this.#place(id)
    }
  }

  #place(id: TimerId): void {
    const slot = Math.floor(Math.max(this.#due[id], this.#now) / SLOT_MS) % SLOTS
    if (this.#slot[id] === slot) return
    this.#slot[id] = slot
    ;(this.#slots[slot] ??= []).push(id)
  }
}

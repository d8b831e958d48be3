// When to try again what failed: each prefix doubles its own wait, one timer serves all.

import type { Clock } from '../clock.ts'

const first = 250
const most = 30_000

export class BackOff {
  readonly #clock: Clock
  readonly #due: (prefixes: string[]) => void
  readonly #waits = new Map<string, { wait: number; at: number }>()
  #cancel: (() => void) | undefined
  #timerAt = Infinity

  /** `due` is called with the prefixes whose time has come. */
  constructor(clock: Clock, due: (prefixes: string[]) => void) {
    this.#clock = clock
    this.#due = due
  }

  /** Notes a failure; returns the milliseconds until the next try. */
  failed(prefix: string): number {
    const wait = Math.min((this.#waits.get(prefix)?.wait ?? first / 2) * 2, most)
    const at = this.#clock.now() + wait
    this.#waits.set(prefix, { wait, at })
    if (at < this.#timerAt) this.#arm(at)
    return wait
  }

  /** Not a failure: the prefix is due again in so many milliseconds. */
  postpone(prefix: string, wait: number): void {
    const at = this.#clock.now() + wait
    this.#waits.set(prefix, { wait: this.#waits.get(prefix)?.wait ?? first / 2, at })
    if (at < this.#timerAt) this.#arm(at)
  }

  succeeded(prefix: string): void {
    if (this.#waits.size > 0) this.#waits.delete(prefix)
  }

  /** The world changed: what failed and may work now is due at once. */
  hurry(concerns: (prefix: string) => boolean): void {
    const due: string[] = []
    for (const [prefix, wait] of this.#waits) {
      if (!concerns(prefix)) continue
      wait.at = Infinity
      due.push(prefix)
    }
    if (due.length > 0) this.#due(due)
  }

  stop(): void {
    this.#cancel?.()
    this.#waits.clear()
  }

  #arm(at: number): void {
    this.#cancel?.()
    this.#timerAt = at
    this.#cancel = this.#clock.after(Math.max(0, at - this.#clock.now()), () => this.#ring())
  }

  #ring(): void {
    this.#timerAt = Infinity
    this.#cancel = undefined
    const now = this.#clock.now()
    const due: string[] = []
    let next = Infinity
    for (const [prefix, wait] of this.#waits) {
      if (wait.at <= now) {
        due.push(prefix)
        wait.at = Infinity // until it fails again or succeeds
      } else next = Math.min(next, wait.at)
    }
    if (next < Infinity) this.#arm(next)
    if (due.length > 0) this.#due(due)
  }
}

// Whoever undoes again and again what we put right. A repair comes at once; from the third on, each soon after the one before, it is
// a fight: it is reported, and every further repair waits twice as long. Peace ends it.

import type { Clock } from './clock.ts'

/** So many blows, each soon after the one before, make a fight; `calmAfter` milliseconds without one, and without a pause, end it. */
const fightAfter = 3
const calmAfter = 10_000
/** Pause before the repair that follows the third blow, and the longest. Milliseconds. */
const firstPause = 1_000
const longestPause = 60_000
/** Objects watched at once. Beyond, repairs come without a pause. */
const limit = 65_536

export interface Fight<By> {
  readonly count: number
  /** Who it was, as far as the last blow tells. */
  readonly by: By | undefined
}

interface Blows<By> extends Fight<By> {
  readonly last: number
}

export class Fights<By> {
  readonly #clock: Clock
  readonly #blows = new Map<string, Blows<By>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Somebody undid what was in place. A blow that does not tell by whom leaves the suspicion as it was. */
  struck(key: string, by?: By): void {
    const known = this.#blows.get(key)
    if (!known && this.#blows.size >= limit) this.#prune()
    if (!known && this.#blows.size >= limit) return
    const before = known && this.#isWarm(known) ? known : undefined
    this.#blows.set(key, { count: (before?.count ?? 0) + 1, by: by ?? before?.by, last: this.#clock.now() })
  }

  /** Milliseconds until the object may be put right; 0: now. */
  wait(key: string): number {
    const blows = this.#blows.size > 0 ? this.#blows.get(key) : undefined
    return blows ? Math.max(0, blows.last + pauseAfter(blows.count) - this.#clock.now()) : 0
  }

  /** The fight that goes on about the object. */
  at(key: string): Fight<By> | undefined {
    const blows = this.#blows.get(key)
    return blows && blows.count >= fightAfter && this.#isWarm(blows) ? blows : undefined
  }

  /** Every fight that goes on. */
  *all(): Iterable<readonly [string, Fight<By>]> {
    for (const [key, blows] of this.#blows)
      if (blows.count >= fightAfter && this.#isWarm(blows)) yield [key, blows] as const
  }

  /** The object is not wanted any more. */
  forget(key: string): void {
    if (this.#blows.size > 0) this.#blows.delete(key)
  }

  #isWarm({ count, last }: Blows<By>): boolean {
    return this.#clock.now() - last < calmAfter + pauseAfter(count)
  }

  #prune(): void {
    for (const [key, blows] of this.#blows) if (!this.#isWarm(blows)) this.#blows.delete(key)
  }
}

function pauseAfter(count: number): number {
  return count < fightAfter ? 0 : Math.min(firstPause * 2 ** (count - fightAfter), longestPause)
}

// How often a test looks whether something has come true.

import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds between two looks, where a look costs nothing. */
const least = 100
/** Milliseconds, however dear a look is. */
const most = 1000

/**
 * Waits until the next look is due, after one that began at `since` (`performance.now()`): twice as long as that took, for a look that
 * starts a program takes the processor from what is waited for.
 */
export function untilNextLook(since: number): Promise<void> {
  return sleep(Math.min(most, Math.max(least, 2 * (performance.now() - since))))
}

// Waiting for something that only asking tells.

import { setTimeout as sleep } from 'node:timers/promises'
import type { LabError } from './output.ts'

/** Polls until `done` returns true; after `limit` milliseconds throws what `otherwise` gives. */
export async function until(
  done: () => Promise<boolean>,
  limit: number,
  otherwise: () => LabError | Promise<LabError>,
  signal?: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + limit
  while (!(await done())) {
    signal?.throwIfAborted()
    if (performance.now() > deadline) throw await otherwise()
    await sleep(50)
  }
}

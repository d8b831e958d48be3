// Loaded before the speaker: how long its longest turn of the event loop was since it was last asked. By SIGUSR2 it writes that down, in
// milliseconds, in the file that BENCH_TURNS names.

import { renameSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Milliseconds between two looks: so much of a turn may be missed, or be told too much. */
const RESOLUTION = 2

const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
delay.enable()
process.on('SIGUSR2', () => {
  const file = process.env.BENCH_TURNS ?? 'turns'
  writeFileSync(`${file}.new`, String(Math.max(0, delay.max / 1e6 - RESOLUTION)))
  renameSync(`${file}.new`, file)
  delay.reset()
})

// The command as tests start it.

import { fileURLToPath } from 'node:url'

/** `npm test` has built the bundle, which starts in half the time; by itself a test runs the sources, which need no build. */
export const program = fileURLToPath(
  new URL(process.env['MARGAY_BUILT'] === undefined ? 'main.ts' : '../../dist/margayctl.js', import.meta.url),
)

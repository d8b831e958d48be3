// The space of V8 that new objects are made in.

import { setFlagsFromString } from 'node:v8'

/**
 * V8 lets it grow to 16 MB, twice, and keeps it so. A speaker makes next to no objects a route, so it stays at what a process begins
 * with: 10 to 25 MB less for the same processor time.
 */
export function keepYoungSpaceSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

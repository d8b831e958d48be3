// All devices, Margay first: the only list.

import { bird } from './bird.ts'
import type { Device } from './device.ts'
import { frr } from './frr.ts'
import { gobgp } from './gobgp.ts'
import { margay } from './margay.ts'
import { openbgpd } from './openbgpd.ts'

export const devices: readonly Device[] = [margay, bird, frr, openbgpd, gobgp]

export * from './device.ts'

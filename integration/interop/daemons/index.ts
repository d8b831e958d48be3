// The columns of the matrix, in the order of the table.

import type { Daemon } from '../kit/daemon.ts'
import { bird } from './bird.ts'
import { exabgp } from './exabgp.ts'
import { frr } from './frr.ts'
import { gobgp } from './gobgp.ts'
import { openbgpd } from './openbgpd.ts'

export const daemons: readonly Daemon[] = [bird, frr, gobgp, openbgpd, exabgp]

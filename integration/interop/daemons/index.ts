// The columns of the matrix, in the order of the table.

import type { Daemon } from '../kit/daemon.ts'
import { bird } from './bird.ts'
import { frr } from './frr.ts'

export const daemons: readonly Daemon[] = [bird, frr]

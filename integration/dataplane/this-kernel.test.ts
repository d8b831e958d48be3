// The matrix of encapsulations, as far as this machine's kernel has them.

import t from 'tap'
import { vxlan } from './cases.ts'
import { matrix } from './matrix.ts'
import { writeRows } from './table.ts'

t.test('without encapsulation, and with VXLAN', async t => writeRows(await matrix(t, [vxlan], 'matrix')))

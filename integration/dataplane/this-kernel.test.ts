// The matrix of encapsulations, as far as this machine's kernel has them.

import t from 'tap'
import { casesOf } from './cases.ts'
import { vxlan } from './kinds.ts'
import { matrix } from './matrix.ts'
import { writeRows } from './table.ts'

t.test('without encapsulation, and with VXLAN', async t => {
  await writeRows(await matrix(t, { cases: casesOf([vxlan]), tag: 'matrix', bare: true, rate: 1000 }))
})

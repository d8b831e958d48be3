import { frr } from './daemons/frr.ts'
import { runColumn } from './kit/matrix.ts'

await runColumn(frr)

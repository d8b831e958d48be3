import { gobgp } from './daemons/gobgp.ts'
import { runColumn } from './kit/matrix.ts'

await runColumn(gobgp)

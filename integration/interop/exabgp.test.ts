import { exabgp } from './daemons/exabgp.ts'
import { runColumn } from './kit/matrix.ts'

await runColumn(exabgp)

import { openbgpd } from './daemons/openbgpd.ts'
import { runColumn } from './kit/matrix.ts'

await runColumn(openbgpd)

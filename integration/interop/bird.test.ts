import { bird } from './daemons/bird.ts'
import { runColumn } from './kit/matrix.ts'

await runColumn(bird)

// Random walks (see test-walk.ts). More of them: `WALK_SEEDS=100 WALK_FROM=1000 node bgp/core/walk.test.ts`.

import t from 'tap'
import { walk } from './test-walk.ts'

const { WALK_SEEDS = '3', WALK_FROM = '0', WALK_STEPS = '50000' } = process.env

for (let n = 0; n < Number(WALK_SEEDS); n++) {
  const seed = Number(WALK_FROM) + n
  const options = {
    seed,
    steps: Number(WALK_STEPS),
    speakers: seed % 2 ? 3 : 2,
    gracefulRestart: seed % 3 === 2,
  } as const
  const how = `${options.speakers} speakers${options.gracefulRestart ? ' with graceful restart' : ''}`
  t.test(`${WALK_STEPS} steps of ${how}, seed ${seed}, end as the model says`, async t => {
    t.equal(walk(options), undefined)
  })
}

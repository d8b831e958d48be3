// Runs the column of one daemon: a test for each feature, three side by side, and then the daemon's column of docs/interop.md.

import t from 'tap'
import { type FeatureName, featureNames, features } from '../features/index.ts'
import { Cell } from './cell.ts'
import type { Daemon, Lack } from './daemon.ts'
import { capabilitiesOf } from './probe.ts'
import { type Outcome, writeColumn } from './table.ts'

const WIDTH = 3

export async function runColumn(daemon: Daemon): Promise<void> {
  const version = daemon.version()
  // For one who works on a feature: `CELL=roles node integration/interop/bird.test.ts`.
  const chosen = process.env.CELL
  const outcomes = new Map<FeatureName, Outcome>()
  t.jobs = WIDTH
  const cells = featureNames
    .filter(name => chosen === undefined || name === chosen)
    .map(async name => {
      const { title } = features[name]
      const lack: Lack | undefined = daemon.lacks[name]
      const label = `${daemon.title} ${version}: ${title}`
      const cell = t.test(label, { buffered: true }, test =>
        lack ? lacks(new Cell(test, daemon), lack) : features[name].run(new Cell(test, daemon)),
      )
      const result = await cell
      outcomes.set(name, result?.ok === false ? { failed: true } : { failed: false, lack: lack?.reason })
    })
  await Promise.all(cells)
  if (chosen === undefined) await writeColumn(daemon, version, outcomes)
}

/** A reason instead of a test; what proves it is tried, so that a daemon that has learned it is noticed. */
async function lacks(cell: Cell, { reason, capability, proof }: Lack): Promise<void> {
  const { t } = cell
  if (capability !== undefined) {
    await cell.startTheirs(cell.theirPlan({}))
    const announced = await capabilitiesOf(cell.host('ours'), cell.host('theirs'))
    t.ok(announced.length > 0, `it announces the capabilities ${announced.join(', ')}`)
    t.notOk(announced.includes(capability), `and not ${capability}`)
  }
  if (proof) t.ok(await proof(cell), 'it is still so')
  t.pass(`no test: ${reason}`, { skip: reason })
}

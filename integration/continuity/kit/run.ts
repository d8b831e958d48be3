// Runs the events of one fabric one after another in one lab, each under the probe, and writes its column of docs/continuity.md.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { TestLab } from '../../kit/lab.ts'
import type { ContinuityEvent, Fabric, Scene } from './event.ts'
import { Probe } from './probe.ts'
import { type Outcome, writeColumn } from './table.ts'
import { withdrawnFrom } from './witness.ts'

/** The lab stays up until the test ends. */
export async function runFabric(fabric: Fabric): Promise<TestLab> {
  const lab = await TestLab.up(t, fabric.source, `continuity-${fabric.tag}`)
  const folder = mkdtempSync(join(tmpdir(), 'margay-continuity-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  await lab.established()
  const probe = await Probe.start(t, lab, fabric.pods)
  // For one who works on an event: `EVENT='kill -9' node integration/continuity/racks-bird.test.ts`.
  const chosen = process.env.EVENT
  const outcomes = new Map<string, Outcome>()
  for (const event of fabric.events) {
    if (chosen !== undefined && event.name !== chosen) continue
    await t.test(event.name, async t => {
      outcomes.set(event.name, { failed: true })
      const lost = await lostBy(event, { t, lab, fabric, probe, folder })
      outcomes.set(event.name, { failed: !t.passing(), lost })
    })
  }
  if (chosen === undefined) writeColumn(fabric, outcomes)
  return lab
}

/** Packets of the flow that lost most. */
async function lostBy(event: ContinuityEvent, scene: Scene): Promise<number> {
  const { t, lab, fabric, probe } = scene
  await probe.steady()
  const watched = event.keepsRoutes ? fabric.watched.map(host => [host, lab.losses(host)] as const) : []
  const before = await withdrawnFrom(scene)
  const end = await probe.measure()
  await probe.passing(100)
  await event.run(scene)
  await probe.steady()
  const losses = await end()
  for (const { flow, sent, lost } of losses) {
    t.ok(sent > 100, `${flow}: ${sent} sent`)
    if (event.planned || event.promised) t.equal(lost, 0, `${flow}: none is lost`)
    else t.comment(`${flow}: ${lost} lost`)
  }
  for (const [host, losses] of watched) t.same(await losses.end(), [], `the kernel of ${host} lost no route`)
  if (event.keepsRoutes) t.same(await withdrawnFrom(scene), before, 'no router has withdrawn a route')
  return Math.max(...losses.map(({ lost }) => lost))
}

// docs/topologies/NAME.md shows configurations of the routers of configs/labs/NAME.yaml: the very ones that the lab runs with.

import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import t from 'tap'
import { readLab } from '../file/read.ts'
import { planTopology, type RouterPlan } from '../topology.ts'
import { routerKinds } from './index.ts'

const tree = new URL('../../../', import.meta.url).pathname

function routersOf(lab: string): readonly RouterPlan[] {
  const reading = readLab(readFileSync(`${tree}configs/labs/${lab}.yaml`, 'utf8'), lab)
  const planning = reading.ok && planTopology(reading.value)
  if (!planning || !planning.ok) throw new Error(`${lab} cannot be drawn`)
  return planning.topology.routers
}

/** The file that says what the router speaks with whom. */
function configurationOf(plan: RouterPlan): string {
  const files = routerKinds[plan.kind].render(plan, '')
  return files['bird.conf'] ?? files['bgpd.conf']
}

const pages = globSync(`${tree}docs/topologies/*.md`)
t.ok(pages.length > 0)

for (const page of pages)
  t.test(basename(page), async t => {
    const routers = routersOf(basename(page, '.md'))
    const text = readFileSync(page, 'utf8')
    const shown = new Set<string>()
    const expected = text.replaceAll(/```\n([#!] Router (\S+), AS [^]*?)```/g, (_block, _conf, host: string) => {
      const router = routers.find(each => each.host === host)
      if (!router) throw new Error(`there is no router ${host}`)
      shown.add(router.kind)
      return `\`\`\`\n${configurationOf(router).trimEnd()}\n\`\`\``
    })
    if (t.writeSnapshot) writeFileSync(page, expected)
    t.equal(readFileSync(page, 'utf8'), expected, 'it shows what the lab writes')
    t.same(shown, new Set(routers.map(({ kind }) => kind)), 'each kind of router is shown')
  })

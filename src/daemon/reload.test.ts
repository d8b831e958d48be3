import t from 'tap'
import { type DaemonConfig, parseConfig } from '../api/config.ts'
import { compareConfigs } from './reload.ts'

const config = (text: string): DaemonConfig => parseConfig(text, '/etc/margay/margayd.yaml', 'n1')
const before = config('{ log: { level: info }, dataplane: { mtu: 1450 } }')

for (const c of [
  { name: 'nothing', text: 'dataplane: { mtu: 1450 }', changed: [], needRestart: [] },
  { name: 'the log', text: '{ log: { level: debug }, dataplane: { mtu: 1450 } }', changed: ['log.level'] },
  { name: 'a setting that goes', text: '{}', changed: ['dataplane.mtu'] },
  {
    name: 'MTU and MSS',
    text: 'dataplane: { mtu: 1400, clampMss: true }',
    changed: ['dataplane.clampMss', 'dataplane.mtu'],
  },
  {
    name: 'what was opened at the start, and the mark of routes',
    text: '{ stateDir: /elsewhere, node: { name: n2 }, dataplane: { mtu: 1450, routeMetric: 9 } }',
    needRestart: ['dataplane.routeMetric', 'node.name', 'stateDir'],
  },
])
  t.test(c.name, async t => {
    const next = config(c.text)
    const reload = compareConfigs(before, next)
    t.same(reload.changed, c.changed ?? [])
    t.same(reload.needRestart, c.needRestart ?? [])
    const again = compareConfigs(reload.config, next)
    t.same(
      [again.changed, again.needRestart],
      [[], reload.needRestart],
      'what changed is in force, the rest still waits',
    )
  })

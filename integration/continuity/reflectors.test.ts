import t from 'tap'
import { everyPairReaches } from '../kit/expect.ts'
import { eventually } from '../kit/lab.ts'
import { meshed } from './events/changes.ts'
import { killed, reflectorsKilled } from './events/restarts.ts'
import { runFabric } from './kit/run.ts'

const lab = await runFabric({
  name: 'route reflectors',
  tag: 'rr',
  source: { lab: 'route-reflector' },
  pods: ['n1-p1', 'n2-p1'],
  nodes: ['n2', 'rr1'],
  watched: ['n1', 'n2', 'n3', 'rr1', 'rr2', 'edge'],
  events: [meshed, killed, reflectorsKilled],
})

t.test('after all of it', t => everyPairReaches(t, lab))

t.test('a router that asks nobody to keep its routes: when it dies they go', async () => {
  await lab.kill('edge', 'bgpd')
  const outside = async () => (await lab.routes('n1')).some(route => route.dst === '198.51.100.0/24')
  await eventually("the dead router's routes are gone", async () => !(await outside()), 60)
})

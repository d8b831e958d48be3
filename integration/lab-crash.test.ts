// kill -9 of margayd at random moments between CNI ADD and DEL: afterwards a DEL of what the runtime knows leaves nothing.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { makePodNamespace, removeNamespaces } from '../src/lab/network.ts'
import { netnsPath } from '../src/lab/processes.ts'
import { podDevices } from './kit/expect.ts'
import { eventually, TestLab } from './kit/lab.ts'

const calls = 200
const kills = 20
const lanes = 8

const text = `
name: crash
subnets: [{ name: lan, ipv4: 10.2.0.0/24, ipv6: 'fd00:2::/64' }]
nodes: [{ name: n1, interfaces: [{ subnet: lan, ipv4: 10.2.0.11, ipv6: 'fd00:2::11' }] }]
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: v4 }, spec: { cidr: 10.43.0.0/16 } }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: v6 }, spec: { cidr: 'fd00:43::/48' } }
`

const lab = await TestLab.up(t, { text }, 'crash')
const runtime = lab.runtime('n1')

t.test(`${kills} kills during ${calls} calls`, async t => {
  const namespaces = Array.from({ length: lanes }, (_, lane) => lab.netns(`p${lane}`))
  t.teardown(() => removeNamespaces(namespaces))
  for (const netns of namespaces) await makePodNamespace(netns)
  const done = { calls: 0, refused: 0, kills: 0 }

  /** One pod after another in one namespace, as a busy runtime does it; refusals are part of the game. */
  const work = async (pod: string): Promise<void> => {
    while (done.calls < calls || done.kills < kills) {
      done.calls++
      const call = runtime.get(pod) ? runtime.del(pod) : runtime.add(pod, netnsPath(lab.netns(pod)))
      await call.catch(() => done.refused++)
    }
  }
  const killer = async (): Promise<void> => {
    for (; done.kills < kills; done.kills++) {
      await sleep(Math.random() * 600)
      await lab.kill('n1', 'margayd')
      lab.startNode('n1')
    }
  }
  await Promise.all([killer(), ...Array.from({ length: lanes }, (_, lane) => work(`p${lane}`))])
  t.comment(`${done.calls} calls, ${done.refused} refused`)
  t.ok(done.refused < done.calls, 'calls were answered between the kills')

  await eventually('the daemon answers', async () => lab.ask('n1', '/v1/status', {}).catch(() => undefined))
  await eventually('it is in sync', async () => (await lab.ask('n1', '/v1/status', {})).inSync)
  for (const attachment of runtime.list()) await runtime.del(attachment.container)

  t.same((await lab.ask('n1', '/v1/ipam', {})).addresses, [], 'no address is given')
  t.same(await podDevices(lab, 'n1'), [], 'no device is left')
  t.same(
    (await lab.routes('n1')).filter(route => /\/(32|128)$/.test(route.dst)),
    [],
    'no route is left',
  )
})

t.test('and it still works', async t => {
  await lab.addPod('n1', 'after')
  const { ipv4, ipv6 } = lab.addresses('after')
  for (const address of [ipv4, ipv6])
    t.match(await lab.exec('n1', 'ping', '-n', '-c', '1', '-w', '2', address!), /1 received/)
})

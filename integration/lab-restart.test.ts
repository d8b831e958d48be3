// margayd may be killed and started again, and no running pod notices.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { everyPairReaches, podDevices } from './kit/expect.ts'
import { eventually, TestLab } from './kit/lab.ts'

const lab = await TestLab.up(t, { lab: 'two-racks' }, 'restart')

/** Kills a node's daemon, lets the network notice, starts it again and waits until it is itself again. */
async function restart(node: string): Promise<void> {
  await lab.kill(node, 'margayd')
  await sleep(500)
  lab.startNode(node)
  await eventually(`${node} answers`, async () => lab.ask(node, '/v1/status', {}).catch(() => undefined))
  await lab.established([node])
  await eventually(`${node} is in sync`, async () => (await lab.ask(node, '/v1/status', {})).inSync)
}

t.test(
  '100 packets a second across racks lose nothing while the daemon of either end is killed and restarted',
  async t => {
    const target = lab.addresses('r2n1-p1')
    for (const node of ['r1n1', 'r2n1']) {
      const four = lab.pinging('r1n1-p1', target.ipv4!, 100)
      const six = lab.pinging('r1n1-p1', target.ipv6!, 100)
      await sleep(500)
      await restart(node)
      await sleep(1000)
      for (const [family, ping] of [
        ['IPv4', four],
        ['IPv6', six],
      ] as const) {
        const { sent, lost } = await ping.end()
        t.ok(sent > 100, `${sent} sent`)
        t.same(lost, [], `${family}, ${node} restarted`)
      }
    }
  },
)

t.test('what the kernel held before is what it holds after', async t => {
  const routes = async () => JSON.stringify((await lab.routes('r1n2')).toSorted((a, b) => a.dst.localeCompare(b.dst)))
  const [before, devices] = [await routes(), await podDevices(lab, 'r1n2')]
  await restart('r1n2')
  t.equal(await routes(), before, 'routes')
  t.same(await podDevices(lab, 'r1n2'), devices, 'devices')
  t.same((await lab.ask('r1n2', '/v1/status', {})).endpoints, 2)
})

t.test('a clean stop leaves the pods alone, too', async t => {
  const devices = await podDevices(lab, 'r2n2')
  await lab.stop('r2n2', 'margayd')
  t.same(await podDevices(lab, 'r2n2'), devices)
  lab.startNode('r2n2')
  await eventually('r2n2 answers', async () => lab.ask('r2n2', '/v1/status', {}).catch(() => undefined))
  await lab.established(['r2n2'])
  await eventually('everyone reaches everyone again', async () => (await lab.probe()).every(probe => probe.ok))
  await everyPairReaches(t, lab)
})

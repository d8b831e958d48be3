// margayd may be killed and started again: no running pod notices, no router withdraws a route, no other node lets one go.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { everyPairReaches, podDevices } from './kit/expect.ts'
import { eventually, TestLab } from './kit/lab.ts'

/** Kills a node's daemon, lets the network notice, starts it again and waits until it is itself again. */
async function restart(lab: TestLab, node: string): Promise<void> {
  await lab.kill(node, 'margayd')
  await sleep(500)
  lab.startNode(node)
  await eventually(`${node} answers`, async () => lab.ask(node, '/v1/status', {}).catch(() => undefined))
  await lab.established([node])
  await eventually(`${node} is in sync`, async () => (await lab.ask(node, '/v1/status', {})).inSync, 40)
}

/** 100 packets a second from pod to pod in both families while the daemon of `node` is killed: none is lost. */
async function losesNothing(
  t: Test,
  lab: TestLab,
  { from, to, node, watch }: { from: string; to: string; node: string; watch: readonly string[] },
): Promise<void> {
  const target = lab.addresses(to)
  const pings = [
    ['IPv4', lab.pinging(from, target.ipv4!, 100)],
    ['IPv6', lab.pinging(from, target.ipv6!, 100)],
  ] as const
  const watched = watch.map(host => [host, lab.losses(host)] as const)
  await sleep(500)
  await restart(lab, node)
  await sleep(1000)
  for (const [family, ping] of pings) {
    const { sent, lost } = await ping.end()
    t.ok(sent > 100, `${sent} sent`)
    t.same(lost, [], `${family}, ${from} to ${to}, ${node} restarted`)
  }
  for (const [host, losses] of watched) t.same(await losses.end(), [], `the kernel of ${host} lost no route`)
}

/** How many routes a router's BIRD has withdrawn from a neighbour. */
async function withdrawn(lab: TestLab, router: string, neighbour: string): Promise<readonly string[]> {
  const all = await lab.exec(router, 'birdc', 'show', 'protocols', 'all', neighbour)
  return [...all.matchAll(/Export withdraws:(.*)/g)].map(([, counts]) => counts)
}

t.test('two racks', async t => {
  const lab = await TestLab.up(t, { lab: 'two-racks' }, 'restart')

  t.test('nothing is lost across racks, whichever end is killed, and no ToR takes a route back', async t => {
    for (const [node, tor] of [
      ['r1n1', 'tor1'],
      ['r2n1', 'tor2'],
    ] as const) {
      const before = await withdrawn(lab, tor, 'spine')
      t.equal(before.length, 2, 'both families are counted')
      const watch = ['tor1', 'tor2', 'spine', node === 'r1n1' ? 'r1n2' : 'r1n1']
      await losesNothing(t, lab, { from: 'r1n1-p1', to: 'r2n1-p1', node, watch })
      t.same(await withdrawn(lab, tor, 'spine'), before, `${tor} has withdrawn nothing from the spine`)
    }
  })

  t.test('what the kernel held before is what it holds after', async t => {
    const routes = async () => JSON.stringify((await lab.routes('r1n2')).toSorted((a, b) => a.dst.localeCompare(b.dst)))
    const [before, devices] = [await routes(), await podDevices(lab, 'r1n2')]
    await restart(lab, 'r1n2')
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
})

t.test('full mesh: the other nodes are the helpers', async t => {
  const lab = await TestLab.up(t, { lab: 'full-mesh' }, 'restart-mesh')
  await losesNothing(t, lab, { from: 'n1-p1', to: 'n2-p1', node: 'n2', watch: ['n1', 'n2', 'n3'] })
  await losesNothing(t, lab, { from: 'n1-p1', to: 'n2-p1', node: 'n1', watch: ['n1', 'n2', 'n3'] })
  await everyPairReaches(t, lab)
})

t.test('route reflectors: a client is killed, then a reflector, then both reflectors at once', async t => {
  const lab = await TestLab.up(t, { lab: 'route-reflector' }, 'restart-rr')
  const watch = ['n1', 'n2', 'n3', 'rr1', 'rr2', 'edge']
  for (const node of ['n2', 'rr1']) await losesNothing(t, lab, { from: 'n1-p1', to: 'n2-p1', node, watch })
  const ping = lab.pinging('n1-p1', lab.addresses('n2-p1').ipv4!, 100)
  const losses = lab.losses('n1')
  await Promise.all(['rr1', 'rr2'].map(node => restart(lab, node)))
  await sleep(1000)
  t.same((await ping.end()).lost, [], 'both reflectors restarted')
  t.same(await losses.end(), [], 'a client let no route go')
  await everyPairReaches(t, lab)

  // The router asks nobody to keep its routes: when it dies they go.
  await lab.kill('edge', 'bgpd')
  const outside = async () => (await lab.routes('n1')).some(route => route.dst === '198.51.100.0/24')
  await eventually("the dead router's routes are gone within the hold time", async () => !(await outside()), 12)
})

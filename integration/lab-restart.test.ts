// margayd may be killed and started again: no running pod notices, no router withdraws a route, no other node lets one go.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { everyPairReaches, podDevices } from './kit/expect.ts'
import { eventually, labFile, TestLab } from './kit/lab.ts'

const perSecond = 1000

/** How a daemon goes, and what comes back. */
interface Way {
  readonly name: string
  go(lab: TestLab, node: string): Promise<void>
  /** Another build than this tree's. */
  readonly margayd?: string
}

const killed: Way = { name: 'killed', go: (lab, node) => lab.kill(node, 'margayd') }

/** A clean stop, then another build takes over. */
function upgraded(t: Test, lab: TestLab): Way {
  const folder = mkdtempSync(join(tmpdir(), 'margay-build-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  cpSync(dirname(lab.programs.margayd), folder, { recursive: true })
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.js'))
  const changed = files.filter(file => {
    const text = readFileSync(join(folder, file), 'utf8')
    const other = text.replace(/(const version = )(['"])[^'"]*\2/, "$1'9.9.9'")
    writeFileSync(join(folder, file), other)
    return other !== text
  })
  if (changed.length !== 1) throw new Error(`${changed.length} files of the build name its version`)
  return { name: 'upgraded', go: (lab, node) => lab.stop(node, 'margayd'), margayd: join(folder, 'margayd.js') }
}

/** Ends a node's daemon, lets the network notice, starts it again and waits until it is itself again. */
async function restart(lab: TestLab, node: string, way = killed): Promise<void> {
  await way.go(lab, node)
  await sleep(500)
  lab.startNode(node, way.margayd)
  const status = await eventually(`${node} answers`, async () => lab.ask(node, '/v1/status', {}).catch(() => undefined))
  if ((status.version === '9.9.9') !== (way.margayd !== undefined)) throw new Error(`${node} runs ${status.version}`)
  await lab.established([node])
  await eventually(`${node} is in sync`, async () => (await lab.ask(node, '/v1/status', {})).inSync, 40)
}

interface Probing {
  readonly from: string
  readonly to: string
  readonly node: string
  readonly watch: readonly string[]
  readonly way?: Way
}

/** 1,000 packets a second from pod to pod in both families while the daemon of `node` restarts: none is lost. */
async function losesNothing(t: Test, lab: TestLab, { from, to, node, watch, way = killed }: Probing): Promise<void> {
  const target = lab.addresses(to)
  const pings = [
    ['IPv4', lab.pinging(from, target.ipv4!, perSecond)],
    ['IPv6', lab.pinging(from, target.ipv6!, perSecond)],
  ] as const
  const watched = watch.map(host => [host, lab.losses(host)] as const)
  await sleep(500)
  await restart(lab, node, way)
  await sleep(1000)
  for (const [family, ping] of pings) {
    const { sent, lost } = await ping.end()
    t.ok(sent > perSecond / 2, `${sent} sent`)
    t.same(lost, [], `${family}, ${from} to ${to}, ${node} ${way.name}`)
  }
  for (const [host, losses] of watched) t.same(await losses.end(), [], `the kernel of ${host} lost no route`)
}

/** How many routes that a router, a BIRD, had of a neighbour that one has withdrawn, in each family. */
async function withdrawn(lab: TestLab, router: string, neighbour: string): Promise<readonly number[]> {
  const all = await lab.exec(router, 'birdc', 'show', 'protocols', 'all', neighbour)
  // Received, rejected, filtered, ignored, accepted: what the neighbour withdraws without having announced it is ignored.
  return [...all.matchAll(/Import withdraws:.*?(\d+)$/gm)].map(([, accepted]) => Number(accepted))
}

const racks = readFileSync(labFile('two-racks'), 'utf8')
/** The same with FRR on top of both racks; the spine stays a BIRD, which counts. */
const frrRacks = racks.replaceAll(/(- name: tor\d\n\s+kind: )bird/g, '$1frr')

for (const [kind, text] of [
  ['BIRD', racks],
  ['FRR', frrRacks],
] as const)
  t.test(`two racks, ${kind} on top: nothing is lost, whichever end goes, and no ToR takes a route back`, async t => {
    const lab = await TestLab.up(t, { text }, `restart-${kind.toLowerCase()}`)
    for (const [node, tor] of [
      ['r1n1', 'tor1'],
      ['r2n1', 'tor2'],
    ] as const)
      for (const way of [killed, upgraded(t, lab)]) {
        const before = await withdrawn(lab, 'spine', tor)
        t.equal(before.length, 2, 'both families are counted')
        const watch = ['tor1', 'tor2', 'spine', node === 'r1n1' ? 'r1n2' : 'r1n1']
        await losesNothing(t, lab, { from: 'r1n1-p1', to: 'r2n1-p1', node, watch, way })
        t.same(await withdrawn(lab, 'spine', tor), before, `${tor} has withdrawn nothing from the spine`)
      }
  })

t.test('two racks', async t => {
  const lab = await TestLab.up(t, { lab: 'two-racks' }, 'restart')

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
  const ping = lab.pinging('n1-p1', lab.addresses('n2-p1').ipv4!, perSecond)
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

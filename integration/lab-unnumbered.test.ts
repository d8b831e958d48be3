// No cable has an address: BGP by interface with FRR, IPv4 routes by IPv6 link-local next hops (RFC 8950), two ways for each.

import t from 'tap'
import { blocksOf, everyPairReaches } from './kit/expect.ts'
import { losesNothing, reaches, sharesLoad } from './kit/fabric.ts'
import { TestLab } from './kit/lab.ts'

const lab = await TestLab.up(t, { lab: 'unnumbered' }, 'unnumbered')

interface Addressed {
  readonly addr_info: readonly { readonly local: string; readonly family: string; readonly scope: string }[]
}

async function addressesOn(host: string, device: string): Promise<Addressed['addr_info']> {
  const [link] = JSON.parse(await lab.exec(host, 'ip', '-json', 'address', 'show', 'dev', device)) as Addressed[]
  return link.addr_info
}

/** How hosts see each other: `tor1 of n1`, `via fe80::… dev eth0`. */
const hops = new Map<string, string>()
const hosts = lab.topology.hosts.filter(host => host.role !== 'outside')
for (const host of hosts)
  for (const link of host.links)
    for (const other of hosts) {
      const theirs = other === host ? undefined : other.links.find(each => each.subnet === link.subnet)
      if (!theirs) continue
      const [address] = await addressesOn(other.name, theirs.device)
      hops.set(`${other.name} of ${host.name}`, `via ${address.local} dev ${link.device}`)
    }
const by =
  (host: string, ...others: readonly string[]) =>
  () =>
    others.map(other => hops.get(`${other} of ${host}`) ?? `no way from ${host} to ${other}`)

/** Every node by these routers: each other node, and the way down from the spine. */
async function isBy(...tors: readonly string[]): Promise<void> {
  for (const node of lab.nodes) {
    const others = lab.nodes.filter(other => other !== node)
    await reaches(lab, node, Object.fromEntries(others.map(other => [other, by(node, ...tors)])))
  }
  await reaches(lab, 'spine', Object.fromEntries(lab.nodes.map(node => [node, by('spine', ...tors)])))
}

async function isWhole(): Promise<void> {
  await isBy('tor1', 'tor2')
  for (const tor of ['tor1', 'tor2'])
    await reaches(lab, tor, Object.fromEntries(lab.nodes.map(node => [node, by(tor, node)])))
}

const pairs = [
  ['n1-p1', 'n2-p1'],
  ['n2-p2', 'n1-p2'],
  ['n3-p1', 'n1-p1'],
  ['n2-p1', 'n3-p2'],
] as const

t.test('cables have link-local addresses only, and both are next hops of every block, of IPv4 too', async t => {
  for (const host of hosts)
    for (const { device, subnet } of host.links.filter(link => link.subnet !== 'outside'))
      t.match(
        await addressesOn(host.name, device),
        [{ family: 'inet6', scope: 'link', local: /^fe80:/ }],
        `${host.name} on ${subnet}`,
      )
  await isWhole()
  for (const address of Object.values(lab.addresses('n2-p1')))
    t.ok(await sharesLoad(lab, 'n1', address as string, ['eth0', 'eth1']), `n1 to ${address}`)
})

t.test(
  'FRR finds the node on its interface, by an agreed capability and with its link-local address as next hop',
  async t => {
    const neighbours = JSON.parse(await lab.exec('tor1', 'vtysh', '-c', 'show bgp neighbors eth1 json')) as Record<
      string,
      object
    >
    t.match(Object.values(neighbours)[0], {
      bgpState: 'Established',
      remoteAs: 65011,
      neighborCapabilities: { extendedNexthop: 'advertisedAndReceived' },
    })
    const blocks = (await blocksOf(lab)).get('n1') ?? []
    const [block] = blocks.filter(each => !each.includes(':'))
    const shown = await lab.exec('tor1', 'vtysh', '-c', `show bgp ipv4 unicast ${block} json`)
    const { paths } = JSON.parse(shown) as { paths: readonly { nexthops: readonly object[]; peer: object }[] }
    const [, address] = (hops.get('n1 of tor1') ?? '').split(' ')
    const path = paths.find(each => JSON.stringify(each.peer).includes('"eth1"'))
    t.match(path?.nexthops[0], { ip: address, afi: 'ipv6' })
  },
)

t.test('margayctl names the peer by its link', async t => {
  const { stdout } = await lab.margayctl('n1', 'bgp', 'summary')
  t.match(stdout, /tors\/eth0 +fe80::\S+%eth0 +64601 +Established/)
  t.match((await lab.margayctl('n1', 'get', 'bgppeers')).stdout, /tors +- +eth\* +External/)
})

t.test('cables break crosswise: what is left is used, also from router to router', async t => {
  await lab.cable('n1', 'tor1', 'down')
  await lab.cable('n2', 'tor2', 'down')
  await reaches(lab, 'n1', { n2: by('n1', 'tor2'), n3: by('n1', 'tor2') })
  await reaches(lab, 'n2', { n1: by('n2', 'tor1'), n3: by('n2', 'tor1') })
  await reaches(lab, 'n3', { n1: by('n3', 'tor2'), n2: by('n3', 'tor1') })
  await reaches(lab, 'tor1', { n1: by('tor1', 'spine'), n2: by('tor1', 'n2') })
  await reaches(lab, 'tor2', { n1: by('tor2', 'n1'), n2: by('tor2', 'spine') })
  await reaches(lab, 'spine', { n1: by('spine', 'tor2'), n2: by('spine', 'tor1') })
  await losesNothing(t, lab, pairs)
  await lab.cable('n1', 'tor1', 'up')
  await lab.cable('n2', 'tor2', 'up')
  await lab.established()
  await isWhole()
})

t.test('a router dies, and comes back', async t => {
  await lab.kill('tor1', 'bgpd')
  await isBy('tor2')
  await losesNothing(t, lab, pairs)
  await lab.startRouter('tor1')
  await lab.established()
  await isWhole()
})

t.test('margayd is killed and comes back: its routes stay as they are, nobody loses a packet', async t => {
  const ours = async () => (await lab.routes('n1')).filter(route => route.protocol === '81')
  const before = await ours()
  const losses = lab.losses('n1')
  const [out, back] = [
    lab.pinging('n1-p1', lab.addresses('n2-p1').ipv4!, 200),
    lab.pinging('n3-p1', lab.addresses('n1-p2').ipv4!, 200),
  ]
  await lab.kill('n1', 'margayd')
  lab.startNode('n1')
  await lab.established(['n1'])
  await isWhole()
  for (const ping of [out, back]) t.match(await ping.end(), { lost: [] })
  t.same(await losses.end(), [], 'no route went')
  t.same(await ours(), before)
})

t.test('after all of that every pair of pods, nodes and the outside client', async t => everyPairReaches(t, lab))

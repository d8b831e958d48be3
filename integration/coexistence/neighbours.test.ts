// margayd on a node that others use, too: Docker, a BIRD with BGP of its own, a network manager's routes, Calico's routes and devices.
// Nothing of theirs changes while margayd starts, pods come and go, it restarts and leaves; and pods are reached although Docker lets
// nothing of them through. (systemd-networkd itself needs a systemd: its routes are made by hand, with its protocol numbers.)

import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { eventually as within, TestLab } from '../kit/lab.ts'
import { Docker } from './docker.ts'

const text = `
name: coexistence
subnets:
  - { name: lan, ipv4: 10.2.0.0/24, ipv6: 'fd00:2::/64' }
nodes:
  - { name: n1, interfaces: [{ subnet: lan, ipv4: 10.2.0.11, ipv6: 'fd00:2::11' }], pods: 1 }
  - { name: n2, interfaces: [{ subnet: lan, ipv4: 10.2.0.12, ipv6: 'fd00:2::12' }], pods: 1 }
---
apiVersion: margay.io/v1
kind: IPPool
metadata: { name: pods-v4 }
spec: { cidr: 10.43.0.0/16, natOutgoing: true }
---
apiVersion: margay.io/v1
kind: IPPool
metadata: { name: pods-v6 }
spec: { cidr: 'fd00:43::/48' }
---
apiVersion: margay.io/v1
kind: BGPConfiguration
metadata: { name: default }
spec: { asNumber: 64512, nodeToNodeMeshEnabled: true, holdTime: 9, connectRetryTime: 1 }
`

const lab = await TestLab.up(t, { text }, 'coexist')
/** Polls with a limit for a machine that is busy with much else. */
const eventually = <T>(what: string, read: () => Promise<T | undefined | false>): Promise<T> => within(what, read, 90)
const n1 = (...argv: string[]): Promise<string> => lab.exec('n1', ...argv)

// A node that others use, before margayd.

await lab.removePod('n1-p1')
await lab.stop('n1', 'margayd')
const emptied = await lab.margayctl('n1', 'node', 'reset', '--yes')
if (emptied.code !== 0) throw new Error(emptied.stderr)

for (const line of [
  'ip link add cali0123456789a type veth peer name workload',
  'ip link set cali0123456789a up',
  'ip link set workload up',
  'ip route add 10.99.0.1/32 dev cali0123456789a scope link proto 80',
  'ip route add blackhole 10.99.0.0/26 proto 80',
  'ip route add 10.99.1.0/26 via 10.2.0.12 proto 80',
  'ip link add calico.vxlan type vxlan id 4096 dstport 4790 local 10.2.0.11',
  'ip link set calico.vxlan up',
  // systemd-networkd, by its own names: static, dhcp, ra; and a rule to a table of its own.
  'ip route add 192.0.2.0/25 via 10.2.0.12 proto static',
  'ip route add 192.0.2.128/25 via 10.2.0.12 proto dhcp metric 1024',
  'ip -6 route add fd00:99::/64 via fd00:2::12 proto ra metric 1024',
  'ip route add 10.43.0.0/16 via 10.2.0.12 proto static metric 4000',
  'ip route add default via 10.2.0.12 proto dhcp table 100',
  'ip rule add from 192.0.2.7 lookup 100 pref 1000',
  'nft add table inet theirs',
  'nft add chain inet theirs forward { type filter hook forward priority 10; policy accept; }',
  'nft add rule inet theirs forward ip daddr 203.0.113.66 drop',
])
  await n1(...line.split(' '))

const birds = {
  n1: `protocol static { ipv4; route 203.0.113.0/24 via 10.2.0.12; }
    protocol kernel { ipv4 { import none; export all; }; }
    protocol bgp second { local 10.2.0.11 port 1790 as 64998; neighbor 10.2.0.12 port 1790 as 64999; ipv4 { import all; export none; }; }`,
  n2: `protocol static { ipv4; route 198.51.100.0/24 blackhole; }
    protocol bgp second { local 10.2.0.12 port 1790 as 64999; neighbor 10.2.0.11 port 1790 as 64998; ipv4 { import none; export all; next hop self; }; }`,
}
const folder = t.testdir({})
for (const [host, protocols] of Object.entries(birds)) {
  const file = join(folder, `${host}.conf`)
  writeFileSync(file, `router id ${host === 'n1' ? '10.2.0.11' : '10.2.0.12'};\nprotocol device {}\n${protocols}\n`)
  const stop = lab.running(host, ['bird', '-f', '-c', file, '-s', join(folder, `${host}.ctl`)])
  t.teardown(stop)
}
await eventually("n1 has what BIRD's neighbour tells", async () =>
  /^198\.51\.100\.0\/24 via 10\.2\.0\.12 .*proto bird/m.test(await n1('ip', 'route')),
)

const docker = await Docker.start(t, lab.netns('n1'))
await docker.serve('web', 8080, 'theirs')

/** What a command in n2 gets of the container's page. */
async function page(): Promise<string> {
  const script = `fetch('http://10.2.0.11:8080/').then(r => r.text()).then(text => process.stdout.write(text))`
  return (await lab.tryExec('n2', process.execPath, '-e', script)).stdout.trim()
}

// What the kernel shows of the node.

const dumps = {
  routes: 'ip route show table all',
  routes6: 'ip -6 route show table all',
  rules: 'ip rule',
  links: 'ip -o link',
  addresses: 'ip -o address',
  neighbours: 'ip neighbour show nud permanent',
  fdb: 'bridge fdb',
  nftables: 'nft -s list ruleset',
  iptables: 'iptables-save',
  ip6tables: 'ip6tables-save',
  legacy: 'iptables-legacy-save',
  sysctls: 'sysctl -a -r ^net\\.ipv[46]\\.(conf|ip_forward|fib_multipath)',
}
type Seen = Readonly<Record<string, readonly string[]>>

/** A container's device has another name each time; counters count, and tools date what they print. */
const passing = /veth[0-9a-f]{7}|^#|^:/

async function seen(): Promise<Seen> {
  await eventually(
    'no address is being checked',
    async () => (await n1('ip', '-6', '-o', 'address', 'show', 'tentative')) === '',
  )
  const rows = Object.entries(dumps).map(async ([name, command]): Promise<[string, readonly string[]]> => {
    const { stdout } = await lab.tryExec('n1', ...command.split(' '))
    const lines = stdout.split('\n').map(line => line.trim())
    return [name, lines.filter(line => !passing.test(line)).toSorted()]
  })
  return Object.fromEntries(await Promise.all(rows))
}

/** Marks of what is ours, and what a node that forwards IPv6 has by itself: anycast addresses, and the groups of routers. */
const ours = /mgy|margay|proto 81|^anycast |^33:33:(00:00:00:02|ff:00:00:00) /
/** What margayd sets and says so (docs/configuration.md): a node that forwards, ECMP on the links to the fabric. */
const declared =
  /^net\.ipv[46]\.fib_multipath_hash_policy|^net\.ipv4\.fib_multipath_use_neigh|^net\.ipv6\.conf\..*\.forwarding|\.eth0\.ignore_routes_with_linkdown/

/** Without our table of nftables, which `nft` prints as a block. */
function withoutOurs(all: Seen, ruleset: string): Seen {
  const others = ruleset.replace(/^table inet margay \{[^]*?^\}\n?/m, '').split('\n')
  return Object.fromEntries(
    Object.entries({ ...all, nftables: others.map(line => line.trim()).toSorted() }).map(([name, lines]) => [
      name,
      lines.filter(line => line !== '' && !ours.test(line) && !passing.test(line) && !declared.test(line)),
    ]),
  )
}

const theirs = async (): Promise<Seen> => withoutOurs(await seen(), await n1('nft', '-s', 'list', 'ruleset'))

if (!(await n1('iptables', '-S', 'FORWARD')).includes('-P FORWARD DROP'))
  throw new Error('Docker lets everything through, so there is nothing to show')
await eventually('the container is served', async () => (await page()) === 'theirs')
const before = await seen()
const theirsBefore = await theirs()

const reaches = (from: string, to: string): Promise<boolean> =>
  lab.tryExec(from, 'ping', '-n', '-c1', '-W2', to).then(({ code }) => code === 0)

async function bothWays(pod: string): Promise<void> {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const [here, there] = [lab.addresses(pod)[family]!, lab.addresses('n2-p1')[family]!]
    await eventually(`${pod} reaches ${there}`, () => reaches(pod, there))
    await eventually(`n2-p1 reaches ${here}`, () => reaches('n2-p1', here))
  }
}

async function startMargayd(): Promise<void> {
  lab.startNode('n1')
  await eventually('n1 is in sync', async () => (await lab.ask('n1', '/v1/status', {}).catch(() => undefined))?.inSync)
}

const problems = async (): Promise<readonly string[]> => (await lab.ask('n1', '/v1/status', {})).problems

t.test('by itself margayd tells of what stands in the way, and touches nothing', async t => {
  await startMargayd()
  await lab.established()
  await eventually('it is told', async () =>
    (await problems()).some(text => /FORWARD of the nftables table ip filter.*iptables -I DOCKER-USER/.test(text)),
  )
  t.same(await theirs(), theirsBefore)
  t.same((await seen())['iptables'], before['iptables'], 'not a rule in iptables')
})

t.test('asked for, pods are reached; nothing of theirs changes as they come and go and margayd restarts', async t => {
  await lab.stop('n1', 'margayd')
  appendFileSync(lab.files('n1').config, 'dataplane: { forwardAccept: true }\n')
  await startMargayd()
  await lab.addPod('n1', 'n1-a')
  await bothWays('n1-a')
  t.same(
    (await problems()).filter(text => text.includes('FORWARD')),
    [],
  )
  t.same(await theirs(), theirsBefore, 'with a pod')
  t.equal((await seen())['iptables'].filter(line => line.includes('added by margayd')).length, 2, 'two rules, marked')

  await lab.kill('n1', 'margayd')
  t.same(await theirs(), theirsBefore, 'killed')
  await bothWays('n1-a')
  await startMargayd()
  await lab.addPod('n1', 'n1-b')
  await lab.removePod('n1-a')
  await bothWays('n1-b')
  t.same(await theirs(), theirsBefore, 'restarted, another pod')
  t.equal(await page(), 'theirs', 'the container is served')
})

t.test('Docker restarts: pods are reached all the same', async t => {
  await docker.stop()
  await bothWays('n1-b')
  await docker.start()
  await docker.startContainer('web')
  await eventually('the container is served', async () => (await page()) === 'theirs')
  await bothWays('n1-b')
  t.same(await theirs(), theirsBefore)
})

t.test('after a reset the node is as it was', async t => {
  await lab.removePod('n1-b')
  await lab.stop('n1', 'margayd')
  const listed = await lab.margayctl('n1', 'node', 'reset')
  // While Docker starts anew its chain is missing for a moment: a rule may have gone into FORWARD then, and is listed as well.
  t.match(listed.stdout, /iptables \(\d\):\n(?: {2}.*\n)*? {2}rules "added by margayd" of iptables, chain DOCKER-USER/)
  t.match(await lab.margayctl('n1', 'node', 'reset', '--yes'), { code: 0 })
  t.same(await seen(), before)
  t.equal(await page(), 'theirs')
})

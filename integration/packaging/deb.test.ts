// The Debian package: installed, used, upgraded under a running daemon, removed without a trace; and the rights of its service.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { eventually, execute } from '../kit/lab.ts'
import { builtPackage, Machine } from './machine.ts'

const built = await execute([process.execPath, '--disable-warning=ExperimentalWarning', 'scripts/deb.ts'])
if (built.code !== 0) throw new Error(built.stderr)
const machine = await Machine.start(t)
const file = await machine.copy(builtPackage())

const resources = `
{ apiVersion: margay.io/v1, kind: Node, metadata: { name: deb }, spec: { bgp: { asNumber: 64512, ipv4Address: 10.9.0.1/24 } } }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: pods }, spec: { cidr: 10.49.0.0/16 } }
`
const cni = (verb: string): string => `echo '{ "cniVersion": "1.0.0", "name": "margay", "type": "margay-cni" }' |
  CNI_COMMAND=${verb} CNI_CONTAINERID=web CNI_NETNS=/run/netns/web CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni /usr/lib/cni/margay-cni`
const inKernel = async (): Promise<string> =>
  (await machine.script('ip route show proto 81; ip -o link show type veth; nft list tables')).trim()
let stop = async (): Promise<void> => {}
t.teardown(() => stop())

t.test('it is installed, and what it brings runs', async t => {
  t.same(await machine.changed(), [])
  await machine.exec('dpkg', '-i', file)
  t.match(await machine.exec('margayd', '--version'), /^margayd \d/)
  t.match(await machine.exec('margayctl', '--help'), /Usage/)
  t.match(await machine.script('echo {} | CNI_COMMAND=VERSION /usr/lib/cni/margay-cni'), /supportedVersions/)
  await machine.exec('sh', '-c', 'test -e /lib/systemd/system/margayd.service')
})

t.test('a pod is attached, and an upgrade leaves it alone', async t => {
  await machine.script(`ip link add eth0 type veth peer name far && ip addr add 10.9.0.1/24 dev eth0 && ip link set eth0 up && ip link set far up
echo 'node: { name: deb }' >/etc/margay/margayd.yaml
cat >/tmp/resources.yaml <<END${resources}END
margayctl apply -f /tmp/resources.yaml`)
  stop = machine.start('/usr/sbin/margayd')
  await machine.exec('margayctl', 'cni', 'install')
  await eventually('it answers', async () => (await machine.tryExec('margayctl', 'cni', 'check')).code === 0, 120)
  await machine.exec('ip', 'netns', 'add', 'web')
  const given = await eventually('a pod has an address', () => machine.script(cni('ADD')).catch(() => undefined), 120)
  const address = /"address":\s*"(10\.49\.[\d.]+)\/32"/.exec(given)?.[1] ?? ''
  t.ok(address, given)
  await machine.exec('ping', '-c1', '-W10', address)
  const before = await inKernel()
  await machine.exec('dpkg', '--force-confold', '-i', file)
  t.equal(await machine.exec('cat', '/etc/margay/margayd.yaml'), 'node: { name: deb }\n', 'its configuration is kept')
  t.equal(await inKernel(), before)
  await machine.exec('ping', '-c1', '-W10', address)
})

t.test('while a daemon runs that systemd did not start, the package stays, and says what to do', async t => {
  const { code, stdout, stderr } = await machine.tryExec('dpkg', '-r', 'margay')
  t.not(code, 0)
  t.match(stdout + stderr, /margayd.*stop it first/)
  t.match(await machine.exec('dpkg', '-V', 'margay'), /^(?!.*\/usr)/s, 'each of its files is as it was made')
  t.equal((await machine.tryExec('margayctl', 'cni', 'check')).code, 0, 'and runtimes find it')
})

t.test('removed, the node is as it was; purged, it has forgotten', async t => {
  await stop()
  t.not(await inKernel(), '', 'routes and pods outlast the daemon')
  await machine.script('ip link del eth0')
  await machine.exec('dpkg', '-r', 'margay')
  t.equal(await inKernel(), '', 'nothing is left in the kernel')
  const kept = (await machine.changed()).filter(path => !/^\/(etc\/margay|var\/lib\/margay)\//.test(path))
  t.same(
    kept.filter(path => !path.startsWith('/var/lib/systemd/') && !path.startsWith('/etc/systemd/')),
    [],
    'but its configuration and what it remembers',
  )
  await machine.exec('dpkg', '-i', file)
  t.match(await machine.exec('ls', '/etc/systemd/system'), /^(?!.*margayd\.service)/s, 'put back, it can be started')
  await machine.exec('dpkg', '-r', 'margay')
  await machine.exec('dpkg', '-P', 'margay')
  t.same(await machine.changed(), [])
})

t.test('the service has the rights that it needs, and no other', async t => {
  const unit = readFileSync('packaging/margayd.service', 'utf8')
  const rights = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1].split(' ').toSorted()
  t.same(rights, ['CAP_NET_ADMIN', 'CAP_NET_BIND_SERVICE', 'CAP_NET_RAW', 'CAP_SYS_ADMIN', 'CAP_SYS_PTRACE'])
  const security = ['systemd-analyze', 'security', '--no-pager', '--offline=true', '--threshold=35']
  const { code, stdout, stderr } = await execute([...security, 'packaging/margayd.service'])
  t.equal(code, 0, `its exposure is 3.5 of 10 or less: ${stdout.split('\n').slice(-3).join(' ')}${stderr}`)
})

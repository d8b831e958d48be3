// podman from Debian's package, with its CNI backend.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { buildImage } from './kit/image.ts'
import { addressesIn, installed } from './kit/installed.ts'
import { reached } from './kit/reached.ts'

const { world, folder, binDir, confDir } = await installed(t, 'podman')
const { lab, node, remote } = world
const image = 'margay.test/box:1'

const conf = join(folder, 'containers.conf')
writeFileSync(
  conf,
  // Limits that podman may set where this test is not allowed to raise them.
  `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["${binDir}", "/usr/lib/cni"]
network_config_dir = "${confDir}"
default_network = "margay"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
`,
)
writeFileSync(join(folder, 'policy.json'), JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
mkdirSync(join(folder, 'tmp'))
const environment = [`CONTAINERS_CONF=${conf}`, `TMPDIR=${folder}/tmp`]
const storage = ['--storage-driver', 'vfs', '--root', join(folder, 'root'), '--runroot', join(folder, 'run')]
const podman = (...argv: string[]) =>
  lab.tryExec(node, 'env', ...environment, 'podman', ...storage, '--tmpdir', join(folder, 'tmp'), ...argv)
t.teardown(() => podman('rm', '-fa', '-t', '0'))

t.test(
  'a container has addresses, reaches pods of another node and is reached; removed, it leaves nothing',
  async t => {
    const loaded = await podman('load', '-i', buildImage(folder, image))
    t.equal(loaded.code, 0, loaded.stderr)
    const run = await podman('run', '-d', '--name', 'web', '--network', 'margay', image)
    t.equal(run.code, 0, run.stderr)
    const addresses = addressesIn((await podman('exec', 'web', 'ip', '-o', 'address', 'show', 'dev', 'eth0')).stdout)
    t.equal(addresses.length, 2, addresses.join(', '))
    const inspected = await podman('inspect', 'web')
    const [{ NetworkSettings }] = JSON.parse(inspected.stdout) as [
      { NetworkSettings: { Networks: { margay: { IPAddress: string; GlobalIPv6Address: string } } } },
    ]
    const { IPAddress, GlobalIPv6Address } = NetworkSettings.Networks.margay
    t.same([IPAddress, GlobalIPv6Address].toSorted(), addresses.toSorted(), 'podman shows them')
    for (const target of ['10.8.0.11', ...Object.values(lab.addresses(remote.pod))])
      t.ok(await reached(`container → ${target}`, () => podman('exec', 'web', 'ping', '-c1', '-W10', target)))
    for (const each of addresses) t.ok(await reached(`remote pod → ${each}`, () => world.ping(remote.pod, each)))
    const removed = await podman('rm', '-f', '-t', '0', 'web')
    t.equal(removed.code, 0, removed.stderr)
    t.same(await world.leftOnNode(), [])
  },
)

t.test('a container that asks for an address and a MAC has them', async t => {
  const [ip, mac] = ['10.48.90.7', '02:42:0a:30:5a:07']
  const run = await podman(
    'run',
    '-d',
    '--name',
    'fixed',
    '--network',
    'margay',
    '--ip',
    ip,
    '--mac-address',
    mac,
    image,
  )
  t.equal(run.code, 0, run.stderr)
  const shown = (await podman('exec', 'fixed', 'ip', 'address', 'show', 'dev', 'eth0')).stdout
  t.match(shown, ip)
  t.match(shown, mac)
  t.equal((await podman('rm', '-f', '-t', '0', 'fixed')).code, 0)
  t.same(await world.leftOnNode(), [])
})

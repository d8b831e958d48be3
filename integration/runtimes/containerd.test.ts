// containerd from Debian's package: `ctr run --cni` attaches a container to Margay.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { inNamespace } from '../../src/lab/processes.ts'
import { eventually } from '../kit/lab.ts'
import { buildImage } from './kit/image.ts'
import { addressesIn, installed } from './kit/installed.ts'
import { reached } from './kit/reached.ts'

const { world, folder, binDir, confDir } = await installed(t, 'ctrd')
const { lab, node, remote } = world
const address = join(folder, 'c.sock')
const image = 'margay.test/box:1'

mkdirSync(join(folder, 'opt'))
writeFileSync(
  join(folder, 'config.toml'),
  `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${address}"
[ttrpc]
  address = "${address}.ttrpc"
`,
)
const log = join(folder, 'log')
const output = openSync(log, 'w')
const [command, ...args] = inNamespace(lab.netns(node), ['containerd', '--config', join(folder, 'config.toml')])
const containerd = spawn(command, args, { stdio: ['ignore', output, output] })
const ended = once(containerd, 'close')
t.teardown(async () => {
  containerd.kill()
  await ended
})

/** ctr looks for plugins and configurations in fixed places: it has them there in a mount namespace of its own. */
const places = `mount -t tmpfs none /opt && mkdir -p /opt/cni/bin && mount --bind ${binDir} /opt/cni/bin && mount --bind ${confDir} /etc/cni/net.d`
const ctr = (...argv: string[]) =>
  lab.tryExec(node, 'unshare', '-m', 'sh', '-c', `${places} && exec "$@"`, 'sh', 'ctr', '-a', address, ...argv)

await eventually('containerd answers', async () => (await ctr('version')).code === 0, 60).catch((error: unknown) => {
  throw new Error(`${String(error)}\n${readFileSync(log, 'utf8')}`)
})

t.test('a container has an address, reaches pods of another node and is reached', async t => {
  const imported = await ctr('image', 'import', '--snapshotter', 'native', buildImage(folder, image))
  t.equal(imported.code, 0, imported.stderr)
  const run = await ctr('run', '-d', '--cni', '--snapshotter', 'native', image, 'web')
  t.equal(run.code, 0, run.stderr)
  const inside = async (...argv: string[]) => {
    const { code, stdout, stderr } = await ctr('task', 'exec', '--exec-id', `e${Math.random()}`, 'web', ...argv)
    return { code, text: stdout + stderr }
  }
  const addresses = addressesIn((await inside('ip', '-o', 'address', 'show', 'dev', 'eth0')).text)
  t.equal(addresses.length, 2, addresses.join(', '))
  const { addresses: given } = await lab.ask(node, '/v1/ipam', {})
  t.same(
    given
      .filter(each => each.ifName === 'eth0')
      .map(each => each.address)
      .toSorted(),
    addresses.toSorted(),
  )
  for (const target of ['10.8.0.11', ...Object.values(lab.addresses(remote.pod))])
    t.ok(await reached(`container → ${target}`, () => inside('ping', '-c1', '-W10', target)))
  for (const each of addresses) t.ok(await reached(`remote pod → ${each}`, () => world.ping(remote.pod, each)))

  const removed = await ctr('task', 'rm', '-f', 'web')
  t.equal(removed.code, 0, removed.stderr)
  t.equal((await ctr('container', 'rm', 'web')).code, 0)
  // `ctr run -d` calls no DEL when the task ends: that is for whoever uses containerd.
  await world.network('1.0.0').del({ containerId: 'default-web' })
  t.same(await world.leftOnNode(), [])
})

t.test('a container that runs to its end is detached by ctr', async t => {
  const before = (await lab.ask(node, '/v1/ipam', {})).addresses.length
  const { code, stdout, stderr } = await ctr(
    'run',
    '--rm',
    '--cni',
    '--snapshotter',
    'native',
    image,
    'once',
    'ip',
    '-o',
    'address',
    'show',
    'dev',
    'eth0',
  )
  t.equal(code, 0, stderr)
  t.equal(addressesIn(stdout).length, 2)
  t.equal((await lab.ask(node, '/v1/ipam', {})).addresses.length, before, 'its addresses are free')
})

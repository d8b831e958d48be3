// Two nodes' data planes on a kernel with WireGuard: packets pass at the exact MTU, over IPv4 and IPv6, and what was written is read as
// written. Where the kernel has none: the sentence, and nothing half done. A rotation: integration/dataplane/other-kinds.test.ts.

import t, { type Test } from 'tap'
import { NoGenericFamily } from '../../../netlink/index.ts'
import { fibClasses } from '../../model/fib.ts'
import { type Tunnel, tunnelGateway } from '../../model/tunnel.ts'
import { WireguardKey } from '../../model/wireguard.ts'
import { Dataplane } from '../dataplane.ts'
import { linuxKernel } from '../linux.ts'
import { skipWithoutRoot, TestNamespaces } from '../test-namespaces.ts'
import { changeOf } from './wireguard-devices.ts'

const skip = skipWithoutRoot()
const families = [4, 6] as const
type Family = (typeof families)[number]

/** One of the two, `n` 1 or 2: its addresses, and those of its pods, which are its tunnel's own here. */
const outer = (n: number, family: Family): string => (family === 4 ? `10.0.1.${n}` : `fd00:1::${n}`)
const inner = (n: number, family: Family): string => (family === 4 ? `10.42.${n}.0` : `fd00:42:${n}::`)
const block = (n: number, family: Family): string => `${inner(n, family)}/${family === 4 ? 26 : 122}`

const tunnel = (n: number, key: WireguardKey, family: Family): Tunnel => {
  const other = 3 - n
  const address = outer(other, family)
  return {
    kind: 'wireguard',
    family,
    device: `margay-wg${family}`,
    local: outer(n, family),
    remotes: [address],
    pools: ['pods'],
    nodes: [{ node: `n${other}`, publicKey: key.publicKey, address, allowedIps: [block(other, family)] }],
  }
}

async function hasWireguard(): Promise<boolean> {
  try {
    await using _ = await linuxKernel().openWireguard()
    return true
  } catch (error) {
    if (error instanceof NoGenericFamily) return false
    throw error
  }
}

const mtu = { 4: 1440, 6: 1420 } as const

async function pair(t: Test) {
  const namespaces = new TestNamespaces()
  t.teardown(() => namespaces[Symbol.asyncDispose]())
  const paths = [await namespaces.add('wg1'), await namespaces.add('wg2')]
  const run = (n: number, text: string) => namespaces.run(paths[n - 1], 'sh', '-c', text)
  await run(1, `ip link add eth0 type veth peer name eth0 netns ${paths[1].slice('/run/netns/'.length)}`)
  for (const n of [1, 2]) {
    await run(n, `ip address add 10.0.1.${n}/24 dev eth0; ip link set eth0 up`)
    await run(n, `ip address add fd00:1::${n}/64 dev eth0 nodad`)
  }
  const nodes = await Promise.all(
    [1, 2].map(async n => {
      const kernel = linuxKernel(paths[n - 1])
      const plane = await Dataplane.open({ kernel })
      for (const owner of fibClasses) plane.routes.inSync(owner)
      return { n, kernel, plane, run: (text: string) => run(n, text) }
    }),
  )
  t.teardown(async () => {
    for (const { plane } of nodes) await plane.close()
  })
  const apply = (n: number, own: WireguardKey, others: WireguardKey) =>
    nodes[n - 1].plane.tunnels.apply(
      families.map(family => ({
        tunnel: tunnel(n, others, family),
        mtu: mtu[family],
        address: inner(n, family),
        key: own,
      })),
      true,
    )
  return { nodes, apply }
}

const withWireguard = await hasWireguard()
const missing =
  !withWireguard &&
  'this kernel has no WireGuard: integration/dataplane/other-kinds.test.ts runs this file on one that has'

t.test('two nodes exchange packets, IPv4 and IPv6', { skip: skip || missing }, async t => {
  const { nodes, apply } = await pair(t)
  const [first, second] = [WireguardKey.generate(), WireguardKey.generate()]
  const [one] = nodes
  // Before there is a device of ours, which would be made again at once.
  await t.test('another program has the port: a sentence', async t => {
    await one.run('ip link add wg0 type wireguard; wg set wg0 listen-port 51820; ip link set wg0 up')
    const faults = await apply(1, first, second)
    t.match(faults.get('margay-wg4'), /another program has UDP port 51820/)
    await one.run('ip link del wg0')
  })
  t.same(await apply(1, first, second), new Map())
  t.same(await apply(2, second, first), new Map())
  for (const { n, plane } of nodes) {
    plane.routes.set(
      'bgp',
      families.map(family => ({
        prefix: block(3 - n, family),
        kind: 'unicast',
        nextHops: [{ gateway: tunnelGateway(outer(3 - n, family)), device: `margay-wg${family}`, onlink: true }],
        source: inner(n, family),
      })),
    )
    await plane.routes.idle()
  }
  for (const family of families) {
    await t.test(`IPv${family}: the exact MTU passes, one octet more does not`, async t => {
      const ping = (size: number) => `ping -n -c 1 -w 30 -M do -s ${size} ${inner(2, family)}`
      const room = mtu[family] - (family === 4 ? 28 : 48)
      await t.resolves(one.run(ping(room)))
      await t.rejects(one.run(ping(room + 1)))
    })
  }
  t.match(await one.run('wg show margay-wg4 dump'), /51820\toff\n.*\t10\.0\.1\.2:51820\t10\.42\.2\.0\/26\t[1-9]\d*\t/)

  await t.test('a daemon that starts anew has nothing to write', async t => {
    await using wireguard = await one.kernel.openWireguard()
    for (const family of families) {
      const found = await wireguard.device(`margay-wg${family}`)
      t.equal(found && changeOf(tunnel(1, second, family), first, found, true), undefined)
    }
  })
})

const present = withWireguard && 'this kernel has WireGuard'
t.test('a kernel without WireGuard: a sentence, and nothing is made', { skip: skip || present }, async t => {
  await using namespaces = new TestNamespaces()
  const path = await namespaces.add('nowg')
  await using plane = await Dataplane.open({ kernel: linuxKernel(path) })
  const key = WireguardKey.generate()
  const faults = await plane.tunnels.apply([{ tunnel: tunnel(1, key, 4), mtu: 1440, key }], true)
  t.match(faults.get('margay-wg4'), /no WireGuard devices \(CONFIG_WIREGUARD\).*modprobe wireguard/)
  t.notMatch(await namespaces.run(path, 'ip', '-o', 'link'), /margay-wg/)
})

// Ours beside the plugins of Debian's containernetworking-plugins, behind it and before it. Items 6 (loopback through a service),
// 15, 18, 19. Those plugins speak no version above 1.0.0.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { inNamespace } from '../../../src/lab/processes.ts'
import { eventually } from '../../kit/lab.ts'
import { atLeast, type CniWorld, type Container, type Version } from '../world.ts'
import { linkOf } from './attach.ts'

const server = `require('node:net').createServer(peer => peer.end('served')).listen(process.argv[1])`

/** Answers every connection to a port of a pod with a word. */
function serve({ name }: Container, port: number): () => void {
  const [command, ...args] = inNamespace(name, [process.execPath, '-e', server, String(port)])
  const child = spawn(command, args, { stdio: 'ignore' })
  return () => child.kill()
}

const hears = (world: CniWorld, from: string, address: string, port: number) =>
  eventually(
    `${from} is served at ${address} port ${port}`,
    async () => {
      const connect = `exec 3<>/dev/tcp/${address}/${port}; cat <&3`
      const ended = await world.lab.tryExec(from, 'timeout', '10', 'bash', '-c', connect)
      return ended.stdout.includes('served')
    },
    60,
  )

export function chain(t: Test, world: CniWorld, version: Version): void {
  const { lab, node } = world

  // Debian's firewall knows no 0.3.1.
  const firewall = atLeast(version, '0.4.0')
  t.test('portmap, bandwidth, tuning and firewall after ours', async t => {
    const more = { capabilities: { mac: true } }
    const portmap = { type: 'portmap', capabilities: { portMappings: true }, snat: true }
    const after = [
      { type: 'bandwidth', capabilities: { bandwidth: true } },
      // Its own `mac` sets the interface down, and the kernel takes the pod's routes with that; so ours sets the MAC.
      { type: 'tuning', sysctl: { 'net.core.somaxconn': '500' }, promisc: true },
      ...(firewall ? [{ type: 'firewall', backend: 'iptables' }] : []),
    ]
    const network = world.network(version, { more, after: [portmap, ...after] })
    const mac = '02:42:0a:30:00:18'
    const container: Container = {
      ...(await world.container()),
      capabilityArgs: {
        portMappings: [{ hostPort: 18080, containerPort: 80, protocol: 'tcp' }],
        bandwidth: {
          ingressRate: 100_000_000,
          ingressBurst: 100_000_000,
          egressRate: 50_000_000,
          egressBurst: 50_000_000,
        },
        mac,
      },
    }
    const result = await network.add(container)
    const pod = container.containerId.split('-')[0]
    const host = result.interfaces!.find(each => each.name.startsWith('mgy'))!.name
    t.equal((await linkOf(world, container)).address, mac)
    t.equal((await lab.exec(pod, 'sysctl', '-n', 'net.core.somaxconn')).trim(), '500')
    t.match(
      await lab.exec(node, 'tc', 'qdisc', 'show', 'dev', host),
      /tbf .*rate 100Mbit/,
      'bandwidth found our host end',
    )
    const address = result.ips!.find(ip => !ip.address.includes(':'))!.address.split('/')[0]
    if (firewall) t.match(await lab.exec(node, 'iptables-save', '-t', 'filter'), address, 'firewall lets it through')

    const stop = serve(container, 80)
    t.teardown(stop)
    await hears(world, pod, address, 80)
    await hears(world, world.remote.pod, '10.8.0.11', 18080)
    t.pass('portmap: reached from another node')
    await hears(world, pod, '10.8.0.11', 18080)
    t.pass('and by the pod itself, through the port of its node')
    stop()

    if (atLeast(version, '0.4.0')) {
      await world.network(version, { more, after }).check(container)
      // With two families Debian's looks for the rules of IPv4 in the tables of IPv6, or the other way round.
      await t.rejects(network.check(container), { message: /portmap CHECK/ })
      await world.network(version, { more, after: [portmap, ...after], disableCheck: true }).check(container)
    }
    await network.del(container)
    await network.del(container)
    t.notMatch(await lab.exec(node, 'iptables-save'), address, 'no rule is left')
    t.notMatch(await lab.exec(node, 'ip', '-o', 'link'), /ifb|bwp/, 'no device is left')
    t.same(await world.leftOnNode(), [])
  })

  t.test('behind a plugin with an interface of its own', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'margay-plugin-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const ip = { ...(!atLeast(version, '1.0.0') && { version: '4' }), address: '192.0.2.9/24', interface: 0 }
    const first = {
      cniVersion: version,
      interfaces: [{ name: 'net1', sandbox: '/x' }],
      ips: [ip],
      routes: [{ dst: '198.51.100.0/24' }],
      dns: { domain: 'first' },
    }
    const script = `#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] && echo '${JSON.stringify(first)}'\nexit 0\n`
    writeFileSync(join(folder, 'first'), script, { mode: 0o755 })
    const network = world.network(version, { before: [{ type: 'first' }], path: [folder] })
    const container = await world.container()
    const result = await network.add(container)
    t.match(result, { interfaces: [{ name: 'net1' }, { name: /^mgy/ }, { name: 'eth0' }], dns: { domain: 'first' } })
    t.match(result.ips, [ip, { interface: 2 }, { interface: 2 }])
    t.match(result.routes?.[0], { dst: '198.51.100.0/24' })
    if (atLeast(version, '0.4.0')) await network.check(container)
    await network.del(container)
    t.same(await world.leftOnNode(), [])
  })
}

// Namespaces, links, processes and pings, against the kernel.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { readLab } from './file/read.ts'
import { makeNetwork, namespacesThere, removeNamespaces } from './network.ts'
import { isAlive, processesIn, recorded, signal, start, stopIn } from './processes.ts'
import { probeAll } from './reach.ts'
import { kernelRoutes } from './routes.ts'
import { bare, namespacesOf, planTopology } from './topology.ts'

const name = `mgl-t${process.pid}`

const text = `
name: ${name}
subnets:
  - { name: left, ipv4: 10.1.0.0/24, ipv6: 'fd00:1::/64' }
  - { name: a-very-long-subnet-name, ipv4: 10.2.0.0/24, ipv6: 'fd00:2::/64' }
routers:
  - name: middle
    kind: bird
    asn: 1
    routerId: 1.1.1.1
    interfaces:
      - { subnet: left, ipv4: 10.1.0.1, ipv6: 'fd00:1::1' }
      - { subnet: a-very-long-subnet-name, ipv4: 10.2.0.1, ipv6: 'fd00:2::1' }
outside:
  - { name: a, interfaces: [{ subnet: left, ipv4: 10.1.0.2, ipv6: 'fd00:1::2' }], gateway: middle }
  - { name: b, interfaces: [{ subnet: a-very-long-subnet-name, ipv4: 10.2.0.2, ipv6: 'fd00:2::2' }], gateway: middle }
  - { name: alone, interfaces: [{ subnet: left, ipv4: 10.1.0.3 }] }
`

t.test('a network of two subnets', { skip: process.getuid?.() !== 0 && 'needs root' }, async t => {
  const reading = readLab(text, 'x')
  const planning = reading.ok && planTopology(reading.value)
  if (!planning || !planning.ok) throw new Error('not drawn')
  const { topology } = planning
  t.teardown(async () => {
    await stopIn(namespacesOf(topology))
    await removeNamespaces(namespacesOf(topology))
  })
  await makeNetwork(topology)

  t.test('hosts reach each other through the router, and nobody without a route', async t => {
    const parties = topology.hosts.map(host => ({
      name: host.name,
      netns: host.netns,
      role: 'outside' as const,
      ...bare(host.links[0]),
    }))
    const [middle, a, b, alone] = parties
    const probes = await probeAll([a, alone], [middle, a, b])
    const answered = (from: string, to: string): boolean[] =>
      probes.filter(probe => probe.from === from && probe.to === to).map(probe => probe.ok)
    t.same(answered('a', 'b'), [true, true], 'IPv4 and IPv6')
    t.same(answered('a', 'a'), [], 'nobody pings himself')
    t.same(answered('alone', 'middle'), [true])
    t.same(answered('alone', 'b'), [false])
    t.same(
      (await probeAll([alone], [b, middle])).map(probe => probe.ok),
      [false, true],
      'the first of a source is asked as well',
    )
  })

  t.test('no bridge but in the switch, no default route unless given', async t => {
    const routes = async (host: string) =>
      (await kernelRoutes(`${name}-${host}`)).filter(route => route.dst === 'default')
    t.same((await routes('a')).map(route => String(route.gateway)).toSorted(), ['10.1.0.1', 'fd00:1::1'])
    t.same(await routes('alone'), [])
  })

  t.test('processes are found by their record and by their namespace, and end even when stopped', async t => {
    const dir = t.testdir({})
    const argv = ['sh', '-c', 'echo here; trap "" TERM; while :; do sleep 0.1; done']
    const id = start({ netns: `${name}-a`, argv, log: join(dir, 'logs', 'x.log'), record: join(dir, 'a-sh') })
    t.same(recorded(dir).get('a-sh'), id)
    while (!processesIn([`${name}-a`]).some(found => found.pid === id.pid)) await sleep(10)
    t.same(processesIn([`${name}-b`]), [])
    t.notOk(isAlive({ ...id, startTime: '1' }), 'a pid given anew is another process')
    while (
      !existsSync(join(dir, 'logs', 'x.log')) ||
      !readFileSync(join(dir, 'logs', 'x.log'), 'utf8').includes('here')
    )
      await sleep(10)
    signal([id], 'SIGSTOP')
    await stopIn([`${name}-a`], [], 100)
    t.notOk(isAlive(id))
    t.same(processesIn([`${name}-a`]), [])
  })

  t.test('nothing is left', async t => {
    await removeNamespaces(namespacesOf(topology))
    await removeNamespaces(namespacesOf(topology))
    t.same(
      namespacesThere().filter(netns => netns.startsWith(name)),
      [],
    )
  })
})

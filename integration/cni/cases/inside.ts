// What a network sets up in the pod beside an address: routes, settings, one interface beside another. Items 31, 32, 33.

import type { Test } from 'tap'
import { addressesOf, atLeast, type CniWorld, type Container, type Version } from '../world.ts'

const podOf = ({ containerId }: Container): string => containerId.split('-')[0]

/** The pod's routes by an interface, without what the kernel made itself. */
async function routesBy(world: CniWorld, container: Container, ifName: string): Promise<readonly string[]> {
  const lines = await Promise.all(
    ['-4', '-6'].map(family => world.lab.exec(podOf(container), 'ip', family, '-o', 'route', 'show', 'dev', ifName)),
  )
  const all = lines.flatMap(text => text.split('\n')).filter(line => line !== '' && !/proto kernel/.test(line))
  return all.map(line => line.split(' ')[0]).toSorted()
}

export function inside(t: Test, world: CniWorld, version: Version): void {
  const { lab, remote } = world
  const canCheck = atLeast(version, '0.4.0')

  t.test('sysctls: those on the list are set, another is refused and leaves nothing', async t => {
    const sysctl = { 'net.core.somaxconn': '500', 'net.ipv4.ip_unprivileged_port_start': 80 }
    const more = { sysctl, args: { cni: { sysctl: { 'net.core.somaxconn': '600' } } } }
    const network = world.network(version, { more })
    const container = await world.container()
    await network.add(container)
    const read = (name: string) => lab.exec(podOf(container), 'sysctl', '-n', name)
    t.match(await read('net.core.somaxconn'), /^600\n/, "the pod's wish goes before the network's")
    t.match(await read('net.ipv4.ip_unprivileged_port_start'), /^80\n/)
    if (canCheck) {
      await network.check(container)
      await lab.exec(podOf(container), 'sysctl', '-qw', 'net.core.somaxconn=700')
      await t.rejects(network.check(container), { code: 103, message: /somaxconn is 700, not 600/ })
    }
    await network.del(container)
    for (const [name, refusal] of [
      [
        'net.ipv4.ip_forward',
        { code: 7, message: /sysctl net\.ipv4\.ip_forward: it is none of those that a pod may ask/ },
      ],
      ['kernel.hostname', { code: 7, message: /"kernel\.hostname" is none of a network namespace/ }],
      ['net.core.rmem_max/../../kernel', { code: 7, message: /is none of a network namespace/ }],
      ['net.core.somaxconn', { code: 7, message: /sysctl net\.core\.somaxconn = -1.*does not accept the value/ }],
    ] as const) {
      const refusing = world.network(version, { more: { sysctl: { [name]: '-1' } } })
      await t.rejects(refusing.add(await world.container()), refusal, name)
    }
    t.same(await world.leftOnNode(), [])
  })

  t.test('a second interface in one pod: its routes alone lead to it, and either goes without the other', async t => {
    const container = await world.container()
    const pod = podOf(container)
    const second = { ...container, ifName: 'net1' }
    const far = Object.values(lab.addresses(remote.pod)).flatMap((each): string[] => (each === undefined ? [] : [each]))
    const routes = far.map(address => ({ dst: `${address}/${address.includes(':') ? 128 : 32}` }))
    const first = world.network(version)
    const storage = world.network(version, { name: 'storage', more: { ipam: { routes } } })

    const own = addressesOf(await first.add(container)).map(each => each.split('/')[0])
    // A plugin that is killed, and then its DEL, leave the first interface alone.
    await storage.add({ ...second, killAfter: Math.random() * 40 }).catch(() => {})
    await storage.del(second)
    t.same(await routesBy(world, container, 'eth0'), ['169.254.1.1', 'default', 'default'])
    const result = await storage.add(second)
    const theirs = addressesOf(result).map(each => each.split('/')[0])
    t.same(await routesBy(world, container, 'net1'), far.toSorted(), 'no default route')
    const told = result.routes ?? [result.ip4, result.ip6].flatMap(half => half?.routes ?? [])
    t.same(
      told.map(each => each.dst),
      routes.map(each => each.dst),
      'the result tells of its own routes only',
    )
    for (const [i, address] of far.entries()) {
      t.match(await lab.exec(pod, 'ip', 'route', 'get', address), new RegExp(`dev net1 .*src ${theirs[i]} `))
      t.ok(await world.reaches(pod, address), `by net1 to ${address}`)
    }
    t.ok(await world.reaches(remote.pod, theirs[0]), 'and it is reached by its address')
    t.ok(await world.reaches(world.node, own[0]), 'as is the first by its own')
    // Of the container alone, so one version does: docs/cni.md, "Several interfaces".
    if (version === '1.1.0') {
      for (const [i, gateway, ...onLink] of [
        [0, '169.254.1.1', 'onlink'],
        [1, 'fe80::ecee:eeff:feee:eeee'],
      ] as const) {
        const family = `-${i === 0 ? 4 : 6}`
        const byIt = ['default', 'via', gateway, 'dev', 'net1', ...onLink]
        await lab.exec(pod, 'ip', family, 'rule', 'add', 'from', theirs[i], 'lookup', '100')
        await lab.exec(pod, 'ip', family, 'route', 'add', ...byIt, 'table', '100')
        t.ok(await world.reaches(remote.node, theirs[i]), `with a rule for its source it answers anybody: ${theirs[i]}`)
      }
      await storage.check(second)
    }

    if (canCheck) {
      await first.check(container)
      await storage.check(second)
      await lab.exec(pod, 'ip', 'route', 'del', routes[0].dst)
      await t.rejects(storage.check(second), { code: 103, message: new RegExp(`no route ${routes[0].dst}`) })
      await first.check(container)
    }
    await storage.del(second)
    t.ok(await world.reaches(world.node, own[0]), 'the first stays')
    await storage.del(second)

    await storage.add(second)
    await first.del(container)
    t.same(await routesBy(world, container, 'net1'), far.toSorted(), 'the second stays')
    await first.add(container)
    t.same(await routesBy(world, container, 'eth0'), ['169.254.1.1', 'default', 'default'], 'and the first comes again')
    if (atLeast(version, '1.1.0')) {
      await storage.gc([])
      t.notMatch(await lab.exec(pod, 'ip', '-o', 'link'), /net1/, 'GC frees the second')
      t.match(await lab.exec(pod, 'ip', '-o', 'link'), /eth0/, 'and not the first')
    }
    await storage.del(second)
    await first.del(container)
    t.same(await world.leftOnNode(), [])
  })

  t.test('routes that cannot be are refused; a second default route has to be asked for, with a priority', async t => {
    const container = await world.container()
    const second = { ...container, ifName: 'net1' }
    const asking = (route: object) => world.network(version, { name: 'storage', more: { ipam: { routes: [route] } } })
    const first = world.network(version)
    await first.add(container)
    for (const [route, refusal] of [
      [
        { dst: '10.9.0.0/16', gw: '10.9.0.1' },
        { code: 7, message: /10\.9\.0\.0\/16 has gw 10\.9\.0\.1.*169\.254\.1\.1/ },
      ],
      [
        { dst: '10.9.0.0/16', table: 7 },
        { code: 2, message: /has table/ },
      ],
      [{ dst: '10.9.0.5/16' }, { code: 7, message: /no dst that is a prefix/ }],
      [{ dst: '0.0.0.0/0' }, { code: 101, message: /a route 0\.0\.0\.0\/0 already, by another interface/ }],
    ] as const)
      await t.rejects(asking(route).add(second), refusal, JSON.stringify(route))
    const backup = asking({ dst: '0.0.0.0/0', priority: 200, mtu: 1300 })
    await backup.add(second)
    t.match(
      await lab.exec(podOf(container), 'ip', 'route', 'show', 'default'),
      /via 169\.254\.1\.1 dev net1 .*metric 200 .*mtu 1300/,
    )
    if (canCheck) await backup.check(second)
    await backup.del(second)
    await first.del(container)
    t.same(await world.leftOnNode(), [])
  })
}

// CHECK: finds what is no longer as ADD made it, and nothing else. Items 14 and 15.

import type { Test } from 'tap'
import { eventually } from '../../kit/lab.ts'
import { type CniResult, type PluginError } from '../../kit/libcni.ts'
import { addressesOf, atLeast, type CniWorld, type Container, type Version } from '../world.ts'

interface Damage {
  readonly what: string
  readonly says: RegExp
  readonly do: (at: {
    pod: string
    result: CniResult
    host: string
    container: Container
  }) => readonly (readonly [string, ...string[]])[]
}

const damages: readonly Damage[] = [
  {
    what: 'an address',
    says: /lacks/,
    do: ({ pod, result }) => [[pod, 'ip', 'addr', 'del', addressesOf(result)[0], 'dev', 'eth0']],
  },
  { what: 'a route', says: /no route 0\.0\.0\.0\/0/, do: ({ pod }) => [[pod, 'ip', 'route', 'del', 'default']] },
  {
    what: 'the interface',
    says: /no device eth0|no device mgy/,
    do: ({ pod }) => [[pod, 'ip', 'link', 'del', 'eth0']],
  },
  { what: 'the link', says: /eth0 is down/, do: ({ pod }) => [[pod, 'ip', 'link', 'set', 'eth0', 'down']] },
  {
    what: 'the gateway, as tuning does with a MAC',
    says: /no permanent neighbour 169\.254\.1\.1 dev eth0, so no IPv4/,
    do: ({ pod }) => [[pod, 'ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:77']],
  },
  {
    what: 'a setting',
    says: /accept_ra is 1, not 0/,
    do: ({ pod }) => [[pod, 'sysctl', '-qw', 'net.ipv6.conf.eth0.accept_ra=1']],
  },
]

export function check(t: Test, world: CniWorld, version: Version): void {
  if (!atLeast(version, '0.4.0')) {
    t.test('CHECK came later: code 1', async t => {
      const { exitCode, stdout } = await world.call('CHECK', version, await world.container())
      t.match([exitCode, JSON.parse(stdout)], [1, { code: 1, details: /0\.4\.0/ }])
    })
    return
  }

  t.test('CHECK', async t => {
    const network = world.network(version)
    for (const { what, says, do: damage } of damages) {
      const container = await world.container()
      const result = await network.add(container)
      await network.check(container)
      const pod = container.containerId.split('-')[0]
      const host = result.interfaces!.find(each => !each.sandbox)!.name
      for (const [where, ...argv] of damage({ pod, result, host, container })) await world.lab.exec(where, ...argv)
      const refusal = await network.check(container).then(
        () => undefined,
        (error: unknown) => error as PluginError,
      )
      t.match(refusal, { code: 103, message: says }, what)
      await network.del(container)
    }

    // The daemon may be faster with its repair than CHECK with its look.
    const routed = await world.container()
    for (const address of addressesOf(await network.add(routed))) {
      const family = address.includes(':') ? '-6' : '-4'
      await world.lab.exec(world.node, 'ip', family, 'route', 'del', address, 'proto', '81')
      await network
        .check(routed)
        .catch((error: unknown) =>
          t.match(error, { code: 103, message: new RegExp(`the node has no route ${address} dev mgy`) }),
        )
      await eventually(
        `the route to ${address} is back`,
        async () => (await world.lab.routes(world.node)).some(route => route.dst === address),
        60,
      )
      await network.check(routed)
    }
    await network.del(routed)

    const container = await world.container()
    const result = await network.add(container)
    const pod = container.containerId.split('-')[0]
    await world.lab.exec(pod, 'ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:77')
    const gateway = ['169.254.1.1', 'dev', 'eth0', 'lladdr', 'ee:ee:ee:ee:ee:ee', 'nud', 'permanent']
    await world.lab.exec(pod, 'ip', 'neighbour', 'replace', ...gateway)
    await world.lab.exec(pod, 'ip', 'route', 'add', '192.0.2.0/24', 'dev', 'eth0')
    await network.check(container)
    t.pass('a MAC that somebody changed, and a route more, are no fault')

    const foreign = { ...network.result(container), ips: [{ address: '10.48.255.1/32', interface: 1 }] }
    const answer = await world.call('CHECK', version, container, { prevResult: foreign })
    t.match(JSON.parse(answer.stdout), { code: 103, msg: /10\.48\.255\.1 is not recorded/ }, 'the reservation')
    t.strictSame(await world.call('CHECK', version, container, { prevResult: result }), {
      exitCode: 0,
      stdout: '',
      stderr: '',
    })
    await network.del(container)
    const late = await world.call('CHECK', version, container, { prevResult: result })
    t.match(JSON.parse(late.stdout), { code: 103, msg: /not attached/ })
    t.same(await world.leftOnNode(), [])
  })
}

// What a runtime may ask for: addresses, pools, a MAC. Items 21 and 30.

import type { Test } from 'tap'
import type { Attachment } from '../../kit/libcni.ts'
import { addressesOf, atLeast, type CniWorld, type Version } from '../world.ts'
import { linkOf } from './attach.ts'

const [v4, v6] = ['10.48.77.5', 'fd00:48::77:5']
const annotations = 'io.kubernetes.cri.pod-annotations'
const capabilities = { capabilities: { ips: true, mac: true } }

export function ask(t: Test, world: CniWorld, version: Version): void {
  const rows: readonly {
    readonly how: string
    readonly more?: object
    readonly attachment?: Partial<Attachment>
    readonly gets: readonly (string | RegExp)[]
  }[] = [
    { how: 'CNI_ARGS, IPv4 alone', attachment: { args: { IP: v4 } }, gets: [`${v4}/32`, /^fd00:48:/] },
    { how: 'args.cni.ips', more: { args: { cni: { ips: [v4, v6] } } }, gets: [`${v4}/32`, `${v6}/128`] },
    {
      how: 'runtimeConfig.ips',
      more: capabilities,
      attachment: { capabilityArgs: { ips: [`${v4}/16`, `${v6}/64`] } },
      gets: [`${v4}/32`, `${v6}/128`],
    },
  ]
  t.test('a requested address and MAC', async t => {
    for (const { how, more, attachment, gets } of rows) {
      const network = world.network(version, { more: { ...more } })
      const container = { ...(await world.container()), ...attachment }
      const given = addressesOf(await network.add(container))
      t.match(given, gets, how)
      t.equal(given.length, gets.length, how)
      const second = { ...(await world.container()), ...attachment }
      await t.rejects(network.add(second), { message: new RegExp(`address ${v4}: another pod has it`) })
      t.ok(await world.reaches(world.remote.pod, v4), `${how}: it is reached from another node`)
      await network.del(container)
      await network.del(second)
    }

    const network = world.network(version, { more: capabilities })
    const mac = '02:42:0a:30:00:05'
    for (const each of [{ capabilityArgs: { mac } }, { args: { MAC: mac } }]) {
      const container = { ...(await world.container()), ...each }
      await network.add(container)
      t.equal((await linkOf(world, container)).address, mac)
      await network.del(container)
    }
    // As nerdctl asks, IPv4 by CNI_ARGS and IPv6 by the capability; and by Calico's annotations, as containerd and CRI-O pass them on.
    const annotated = {
      capabilityArgs: {
        [annotations]: {
          'cni.projectcalico.org/ipAddrs': JSON.stringify([v4, v6]),
          'cni.projectcalico.org/hwAddr': mac,
        },
      },
    }
    for (const each of [{ args: { IP: v4 }, capabilityArgs: { ips: [v6] } }, annotated]) {
      const container = { ...(await world.container()), ...each }
      const asking = world.network(version, { more: { capabilities: { ips: true, [annotations]: true } } })
      t.same(addressesOf(await asking.add(container)), [`${v4}/32`, `${v6}/128`])
      if (each === annotated) t.equal((await linkOf(world, container)).address, mac)
      await asking.del(container)
    }
    await t.rejects(network.add({ ...(await world.container()), args: { IP: '192.0.2.1' } }), {
      message: /no enabled pool.*holds it/,
    })
    t.same(await world.leftOnNode(), [])
  })
}

/** Item 30: a pool that only those get who ask for it. */
export function pools(t: Test, world: CniWorld, version: Version): void {
  const [rack4, rack6, any4, any6] = [/^10\.50\./, /^fd00:50:/, /^10\.48\./, /^fd00:48:/]
  const asked = {
    'cni.projectcalico.org/ipv4pools': '["rack-v4"]',
    'cni.projectcalico.org/ipv6pools': '["fd00:50::/48"]',
  }
  const rows: readonly {
    readonly how: string
    readonly more: object
    readonly attachment?: Partial<Attachment>
    readonly gets: readonly RegExp[]
  }[] = [
    { how: 'the network asks for IPv4', more: { ipam: { ipv4_pools: ['rack-v4'] } }, gets: [rack4, any6] },
    {
      how: 'for both',
      more: { ipam: { ipv4_pools: ['10.50.0.0/16'], ipv6_pools: ['rack-v6'] } },
      gets: [rack4, rack6],
    },
    {
      how: 'the pod by args goes before the network',
      more: { ipam: { ipv4_pools: ['rack-v4'] }, args: { cni: { ipv4_pools: ['pods-v4'], ipv6_pools: ['rack-v6'] } } },
      gets: [any4, rack6],
    },
    {
      how: 'the pod by annotations',
      more: { capabilities: { [annotations]: true } },
      attachment: { capabilityArgs: { [annotations]: asked } },
      gets: [rack4, rack6],
    },
  ]
  t.test('a requested pool', async t => {
    for (const { how, more, attachment, gets } of rows) {
      const network = world.network(version, { more: { ...more } })
      const container = { ...(await world.container()), ...attachment }
      const addresses = addressesOf(await network.add(container))
      t.match(addresses, gets, how)
      t.ok(await world.reaches(world.remote.pod, addresses[0].split('/')[0]), 'reached from another node')
      if (atLeast(version, '0.4.0')) await network.check(container)
      await network.del(container)
    }
    for (const [ipam, refusal] of [
      [{ ipv4_pools: ['nowhere'] }, { code: 100, message: /pool nowhere: there is none/ }],
      [{ ipv4_pools: ['rack-v6'] }, { code: 7, message: /ipv4_pools names pool rack-v6.*IPv6/ }],
      [{ ipv6_pools: 'rack-v6' }, { code: 7, message: /ipv6_pools "rack-v6" is no list/ }],
    ] as const)
      await t.rejects(world.network(version, { more: { ipam } }).add(await world.container()), refusal)
    t.same(await world.leftOnNode(), [])
  })
}

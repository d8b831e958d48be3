// What a runtime may ask for: addresses, pools, a MAC. Item 21.

import type { Test } from 'tap'
import type { Attachment } from '../../kit/libcni.ts'
import { addressesOf, type CniWorld, type Version } from '../world.ts'
import { linkOf } from './attach.ts'

const [v4, v6] = ['10.48.77.5', 'fd00:48::77:5']
const capabilities = { capabilities: { ips: true, mac: true } }

export function ask(t: Test, world: CniWorld, version: Version): void {
  const rows: readonly {
    readonly how: string
    readonly more?: object
    readonly attachment?: Partial<Attachment>
    readonly gets: readonly string[]
  }[] = [
    { how: 'CNI_ARGS', attachment: { args: { IP: v4 } }, gets: [`${v4}/32`] },
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
      t.same(addressesOf(await network.add(container)), gets, how)
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
    await t.rejects(network.add({ ...(await world.container()), args: { IP: '192.0.2.1' } }), {
      message: /no enabled pool.*holds it/,
    })
    t.same(await world.leftOnNode(), [])
  })
}

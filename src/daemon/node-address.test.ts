// The node's own address between links that change and a datastore that others write, too.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import type { Facts } from '../model/facts.ts'
import { node } from '../plan/testing.ts'
import { emptySnapshot } from '../plan/snapshot.ts'
import { type NodeResource, parseResource } from '../resources/index.ts'
import { createLog } from './log.ts'
import { NodeAddress } from './node-address.ts'

const log = createLog({ level: 'error', format: 'text', write: () => {} })

async function run(t: Test, bgp: NodeResource['spec']['bgp'], ipv4 = 'first-found') {
  const datastore = new MemoryDatastore()
  await datastore.create('Node', 'n1', node('n1', bgp))
  let facts: Facts = { links: [], addresses: [], foreignRoutes: [] }
  let current = node('n1', bgp)
  const read = async (): Promise<NodeResource> => {
    const parsed = parseResource((await datastore.get('Node', 'n1'))!.value)
    if (!parsed.ok || parsed.resource.kind !== 'Node') throw new Error('no Node')
    return parsed.resource
  }
  const keeper = new NodeAddress({
    node: 'n1',
    methods: { ipv4 },
    datastore,
    log,
    snapshot: () => ({ ...emptySnapshot, nodes: [current] }),
    facts: () => facts,
    onDue: () => keeper.look(true),
  })
  t.teardown(() => keeper.close())
  return {
    keeper,
    datastore,
    /** The links as they are now, each `eth0 10.0.1.7/24`. */
    links: async (...list: string[]) => {
      facts = {
        links: ['eth0', 'eth1'].map((name, i) => ({ index: i + 1, name, up: true, carrier: true, mtu: 1500 })),
        addresses: list.map(text => ({ link: text.split(' ')[0], cidr: text.split(' ')[1] })),
        foreignRoutes: [],
      }
      keeper.look(true)
    },
    write: async (bgp: NodeResource['spec']['bgp']) => {
      await datastore.update('Node', 'n1', node('n1', bgp), (await datastore.get('Node', 'n1'))!.version)
      current = node('n1', bgp)
    },
    /** Until the Node has that address. */
    becomes: async (address: string | undefined) => {
      const deadline = performance.now() + 30_000
      while ((await read()).spec.bgp?.ipv4Address !== address) {
        if (performance.now() > deadline) throw new Error(`the Node has ${(await read()).spec.bgp?.ipv4Address}`)
        await sleep(10)
      }
      current = await read()
      t.pass(`the Node has ${address}`)
    },
  }
}

t.test('found, kept, and found anew when it is gone or taken out', async t => {
  const { links, write, becomes, keeper } = await run(t, { asNumber: 65001 })
  await links('eth1 10.0.2.7/24')
  await becomes('10.0.2.7/24')
  await links('eth0 10.0.1.7/24', 'eth1 10.0.2.7/24')
  await becomes('10.0.2.7/24')
  await write({})
  keeper.look(true)
  await becomes('10.0.1.7/24')
  await links('eth1 10.0.2.7/24')
  await links('eth0 10.0.1.7/24', 'eth1 10.0.2.7/24')
  await becomes('10.0.1.7/24')
  await links('eth1 10.0.2.7/24')
  await becomes('10.0.2.7/24')
  t.same(keeper.problems, [])
})

t.test('what else the Node says stays', async t => {
  const { links, becomes, datastore } = await run(t, { asNumber: 65001, ipv6Address: 'fd00::7/64' })
  await links('eth0 10.0.1.7/24')
  await becomes('10.0.1.7/24')
  t.match((await datastore.get('Node', 'n1'))?.value, { spec: { bgp: { asNumber: 65001, ipv6Address: 'fd00::7/64' } } })
})

t.test('a Node that takes no part in BGP, and a datastore that is away, are left alone', async t => {
  const without = await run(t, undefined)
  await without.links('eth0 10.0.1.7/24')
  const away = await run(t, {})
  away.datastore.update = async () => {
    throw new Error('it is away')
  }
  await away.links('eth0 10.0.1.7/24')
  while (away.keeper.problems.length === 0) await sleep(10)
  t.match(away.keeper.problems, [/^node "n1": its address 10\.0\.1\.7\/24 is not in its Node yet: it is away/])
  t.match((await without.datastore.get('Node', 'n1'))?.value, { spec: { bgp: undefined } })
})

t.test('ambiguous: nothing is written, and the candidates are listed with what to write', async t => {
  const { links, keeper, becomes } = await run(t, {}, 'interface=eth.*')
  await links('eth0 10.0.1.7/24', 'eth1 10.0.2.7/24')
  t.match(keeper.problems, [
    /^node "n1": its IPv4 address is not found by interface=eth\.\*: .*several.*10\.0\.1\.7\/24 on eth0, 10\.0\.2\.7\/24 on eth1; name one of them in its Node \(bgp\.ipv4Address: 10\.0\.1\.7\/24\), or write node\.address\.ipv4: cidr=10\.0\.1\.0\/24/,
  ])
  await becomes(undefined)
})

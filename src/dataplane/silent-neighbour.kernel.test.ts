// Routes with two next hops of which one says nothing any more: whom the kernel sends packets to.

import t from 'tap'
import { fibClasses } from '../model/fib.ts'
import { Dataplane } from './dataplane.ts'
import { linuxKernel } from './linux.ts'
import { skipWithoutRoot, TestNamespaces } from './test-namespaces.ts'

const skip = skipWithoutRoot()
const flows = 40
const families = [4, 6] as const
type Family = (typeof families)[number]
/** Of IPv4, by next hops of either family. */
const target = { 4: '10.42.0.1', 6: '10.43.0.1' }
const block = { 4: '10.42.0.0/26', 6: '10.43.0.0/26' }
const gateway = (n: number, family: Family): string => (family === 4 ? `10.0.${n}.1` : `fd00:${n}::1`)
const own = (n: number, family: Family): string => (family === 4 ? `10.0.${n}.7` : `fd00:${n}::7`)

/** A node with a gateway at each of eth1 and eth2, and routes by both. */
async function twoWays(namespaces: TestNamespaces) {
  const path = await namespaces.add('node')
  const run = (command: string, ...words: string[]) => namespaces.run(path, command, ...words)
  const gateways = await Promise.all(
    [1, 2].map(async n => {
      const netns = await namespaces.add(`gateway${n}`)
      const ip = (...words: string[]) => namespaces.run(netns, 'ip', ...words)
      await run(
        'ip',
        'link',
        'add',
        `eth${n}`,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        netns.slice('/run/netns/'.length),
      )
      await ip('link', 'set', 'eth0', 'up')
      await run('ip', 'link', 'set', `eth${n}`, 'up')
      const answer = async () => {
        await ip('address', 'add', `${gateway(n, 4)}/24`, 'dev', 'eth0')
        await ip('address', 'add', `${gateway(n, 6)}/64`, 'dev', 'eth0', 'nodad')
      }
      await answer()
      await run('ip', 'address', 'add', `${own(n, 4)}/24`, 'dev', `eth${n}`)
      await run('ip', 'address', 'add', `${own(n, 6)}/64`, 'dev', `eth${n}`, 'nodad')
      /** Its cable stays, and nothing answers any more. */
      const die = () => ip('address', 'flush', 'dev', 'eth0')
      const meet = async (asked: readonly Family[] = families) => {
        for (const family of asked) await run('ping', '-n', '-q', '-c', '1', '-w', '30', gateway(n, family))
      }
      return { answer, die, meet }
    }),
  )
  const plane = await Dataplane.open({ kernel: linuxKernel(path) })
  await plane.setUpNode({ all: ['eth1', 'eth2'] })
  await plane.endpoints.adopt([])
  for (const owner of fibClasses) plane.routes.inSync(owner)
  plane.routes.set(
    'bgp',
    families.map(family => ({
      prefix: block[family],
      kind: 'unicast' as const,
      nextHops: [1, 2].map(n => ({ gateway: gateway(n, family), device: `eth${n}` })),
    })),
  )
  await plane.routes.idle()
  for (const each of gateways) await each.meet()
  /** How many of the flows leave by eth2. */
  const bySecond = async (family: Family): Promise<number> => {
    const lookups = Array.from(
      { length: flows },
      (_, i) => `ip route get ${target[family]} ipproto udp sport ${1_000 + i} dport 53`,
    )
    return (await run('sh', '-c', lookups.join(';'))).match(/ dev eth2 /g)?.length ?? 0
  }
  return { plane, run, gateways, bySecond }
}

t.test(
  'a neighbour that is silent is passed over at once, by every route, and back when it answers',
  { skip },
  async t => {
    await using namespaces = new TestNamespaces()
    const { plane, gateways, bySecond } = await twoWays(namespaces)
    await using _ = plane
    const spread = async (words: string) => {
      for (const family of families) {
        const count = await bySecond(family)
        t.ok(count > 0 && count < flows, `${words}, by IPv${family}: ${count} of ${flows} flows by the second`)
      }
    }
    await spread('at first')
    await gateways[1].die()
    await spread('while nobody knows')
    for (const family of families) {
      t.equal(await plane.neighbourSilent(gateway(2, family)), true)
      t.equal(await bySecond(family), 0, `by IPv${family}: none by the second`)
    }
    await gateways[1].answer()
    await gateways[1].meet()
    await spread('when it answers')
  },
)

t.test('what somebody has set stays, and strangers are left alone', { skip }, async t => {
  await using namespaces = new TestNamespaces()
  const { plane, run, gateways, bySecond } = await twoWays(namespaces)
  await using _ = plane
  await run('ip', 'neigh', 'replace', gateway(2, 4), 'lladdr', '02:00:00:00:00:99', 'dev', 'eth2', 'nud', 'permanent')
  t.equal(await plane.neighbourSilent(gateway(2, 4)), false, 'an entry of the operator')
  t.ok((await bySecond(4)) > 0)
  t.equal(await plane.neighbourSilent('10.0.2.99'), false, 'nobody')
  await plane.setUpNode({ all: ['eth1'] })
  await gateways[1].meet([6])
  t.equal(await plane.neighbourSilent(gateway(2, 6)), false, 'a link that does not lead to the fabric')
  t.equal(await plane.neighbourSilent(gateway(2, 6), 'eth2'), true, 'unless it is named')
  t.equal(await plane.neighbourSilent(gateway(1, 6), 'eth7'), false, 'a link that is not there')
})

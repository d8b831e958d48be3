// The fake nftables behaves as the real one in what the packet filter leans on: the same cases on both.

import t from 'tap'
import { intervals } from '../../netlink/index.ts'
import type { Netfilter, NetfilterTable } from '../../netlink/netfilter/types.ts'
import { FakeNetfilter } from './fake-netfilter.ts'
import { linuxKernel } from './linux.ts'
import { skipWithoutRoot, TestNamespaces } from './test-namespaces.ts'

const table = (name: string, set: string): NetfilterTable => ({
  family: 'inet',
  name,
  comment: 'of a test',
  sets: [{ name: 'pods4', key: 'ipv4', interval: true, elements: intervals(['10.42.0.0/16']) }],
  chains: [
    {
      name: 'c',
      hook: { at: 'forward', type: 'filter', priority: 0, policy: 'accept' },
      rules: [
        {
          expressions: [
            { do: 'payload', to: 1, base: 'network', offset: 12, length: 4 },
            { do: 'lookup', from: 1, set },
            { do: 'verdict', verdict: 'drop' },
          ],
        },
      ],
    },
  ],
})

const worlds = {
  fake: async () => ({ netfilter: await new FakeNetfilter().handle(), end: async () => {} }),
  real: async () => {
    const namespaces = new TestNamespaces()
    const netfilter = await linuxKernel(await namespaces.add('nft')).openNetfilter()
    return { netfilter, end: () => namespaces[Symbol.asyncDispose]() }
  },
}

for (const [kind, open] of Object.entries(worlds))
  t.test(`${kind}: tables as a whole`, { skip: kind === 'real' && skipWithoutRoot() }, async t => {
    const { netfilter, end } = await open()
    t.teardown(end)
    t.teardown(() => netfilter.close())
    const [a, b] = [table('a', 'pods4'), table('b', 'pods4')]
    t.equal(await netfilter.table(a), undefined)
    t.match(await netfilter.remove(a), { ok: false, errno: 'ENOENT' })
    const heard = await hears(netfilter, () => netfilter.replace(a))
    t.strictSame(heard, { ok: true })
    t.strictSame(await netfilter.replace(b), { ok: true })
    t.strictSame(await netfilter.replace({ ...a, chains: [] }), { ok: true })
    t.strictSame(await netfilter.table(a), { ...a, chains: [] })
    t.match(await netfilter.replace(table('b', 'nowhere')), { ok: false, errno: 'ENOENT' })
    t.strictSame(await netfilter.table(b), b, 'a refused transaction changes nothing')
    t.strictSame(
      (await netfilter.tables()).toSorted((x, y) => (x.name < y.name ? -1 : 1)),
      [
        { family: 'inet', name: 'a', comment: 'of a test' },
        { family: 'inet', name: 'b', comment: 'of a test' },
      ],
    )
    t.strictSame(await netfilter.replace({ ...b, dormant: true }), { ok: true })
    t.strictSame(await netfilter.table(b), { ...b, dormant: true }, 'one put to sleep')
    t.strictSame(await netfilter.replace(b), { ok: true })
    t.strictSame(await netfilter.table(b), b, 'and awake again')
    const { name, hook } = b.chains[0]
    t.strictSame(await netfilter.chains(), [{ family: 'inet', name: 'b', chain: { name, hook } }])
    t.strictSame(await netfilter.remove(b), { ok: true })
    t.equal(await netfilter.table(b), undefined)
  })

/** What `change` returns, once the change was heard of. */
async function hears<T>(netfilter: Netfilter, change: () => Promise<T>): Promise<T> {
  const heard = Promise.withResolvers<void>()
  const stop = await netfilter.watch(heard.resolve)
  const result = await change()
  await heard.promise
  await stop()
  return result
}

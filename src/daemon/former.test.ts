import t from 'tap'
import type { Facts } from '../model/facts.ts'
import { node } from '../plan/testing.ts'
import { FormerAddresses, rememberFor, sendFor } from './former.ts'

function start() {
  let now = 0
  const here = { links: [], addresses: [{ link: 'eth0', cidr: '10.0.1.7/24' }], foreignRoutes: [] }
  let facts: Facts = here
  let isKnown = true
  const former = new FormerAddresses({
    node: 'n7',
    now: () => now,
    facts: () => facts,
    isKnown: () => isKnown,
    onChange: () => {},
  })
  return {
    former,
    /** What is remembered when the cluster is seen so, after a while. */
    seen: (nodes: Parameters<FormerAddresses['look']>[0], after = 0) => {
      now += after
      former.look(nodes)
      return former.list
    },
    known: (to: boolean) => (isKnown = to),
    loses: () => (facts = { ...here, addresses: [] }),
  }
}
const n7 = (ipv4Address: string) => node('n7', { ipv4Address })
const n8 = (ipv4Address: string, ipv6Address?: string) => node('n8', { ipv4Address, ipv6Address })

t.test('an address that a node had is remembered for a while, and no longer', async t => {
  const { former, seen } = start()
  t.teardown(() => former.close())
  t.same(seen([n8('10.0.1.8/24', 'fd00::8/64')]), [], 'the first view is no change')
  const moved = [n8('10.0.1.18/24', 'fd00::8/64')]
  const list = seen(moved)
  t.same(list, [{ node: 'n8', address: '10.0.1.8' }])
  t.equal(seen(moved, rememberFor - 1), list, 'the same array')
  t.same(seen(moved, 1), [])
  t.same(seen([n8('10.0.1.18/24')]), [], 'a family that a node gave up leads nowhere')
  t.same(seen([]), [], 'nor does a node that is gone')
})

t.test("an address that is somebody's now is nobody's former one", async t => {
  const { former, seen } = start()
  t.teardown(() => former.close())
  seen([n8('10.0.1.8/24')])
  t.equal(seen([n8('10.0.1.18/24')]).length, 1)
  t.same(seen([n8('10.0.1.18/24'), node('n9', { ipv4Address: '10.0.1.8/24' })]), [])
  seen([n8('10.0.1.28/24')])
  t.same(seen([n8('10.0.1.18/24')]), [{ node: 'n8', address: '10.0.1.28' }], 'there and back')
})

t.test('this node goes on sending from its own for a moment, while it has it', async t => {
  const { former, seen, loses, known } = start()
  t.teardown(() => former.close())
  seen([n7('10.0.1.7/24')])
  const moved = [n7('10.0.1.17/24')]
  t.same(seen(moved), [{ node: 'n7', address: '10.0.1.7', inUse: true }])
  known(false)
  t.same(seen(moved, sendFor), [{ node: 'n7', address: '10.0.1.7', inUse: true }], 'not every session is up')
  known(true)
  t.same(seen(moved), [{ node: 'n7', address: '10.0.1.7' }])
  seen([n7('10.0.1.7/24')])
  loses()
  t.same(
    seen(moved).find(({ address }) => address === '10.0.1.7'),
    { node: 'n7', address: '10.0.1.7' },
  )
})

// What an operator sees of nodes that live, that are silent, and of which nothing was heard.

import t from 'tap'
import { MemoryDatastore } from '../datastore/memory.ts'
import { listed, listNodes, nodesTable, seenText } from './node-list.ts'
import { nodesText } from './status.ts'

t.test('alive, silent, never seen, and no member', async t => {
  const store = new MemoryDatastore()
  for (const name of ['n1', 'n2', 'n3']) await store.create('Node', name, {})
  const about = { version: '1.0.0', host: 'm', since: '2026-01-01T00:00:00.000Z' }
  await store.keepAlive('n1', about, 600)
  await store.keepAlive('n2', about, 0)
  await store.keepAlive('n4', about, 600)
  t.match(await listNodes(store), [
    { name: 'n1', state: 'alive', about, isMember: true },
    { name: 'n2', state: 'silent', seen: /^20/, about, isMember: true },
    { name: 'n3', state: 'never seen', seen: undefined, isMember: true },
    { name: 'n4', state: 'alive', isMember: false },
  ])
})

t.test('a node that counts as alive for ever is told with what ends that', t => {
  const removal = 'etcdctl del /margay/~alive/n1'
  const node = listed('n1', { name: 'n1', about: {}, isAlive: true, seen: '', removal }, true)
  t.match(nodesTable([node]), /\n\n! node "n1": .*has no lease.*: etcdctl del \/margay\/~alive\/n1$/)
  t.notMatch(nodesTable([listed('n1', { name: 'n1', about: {}, isAlive: true, seen: '' }, true)]), '!')
  t.end()
})

t.test('what status says of the other nodes', async t => {
  const node = (name: string, state: 'alive' | 'silent' | 'never seen', isMember = true) =>
    ({ name, state, isMember, ...(state !== 'never seen' && { seen: '2026-01-01T00:00:00.000Z' }) }) as const
  t.equal(nodesText([node('n1', 'alive')], 'n1'), 'no other')
  t.equal(
    nodesText([node('n1', 'silent'), node('n2', 'alive'), node('n3', 'alive', false)], 'n1'),
    '1 of 1 others alive',
  )
  t.match(nodesText(undefined, 'n1'), 'not known')
  const silent = Array.from({ length: 7 }, (_, i) => node(`s${i}`, i === 0 ? 'never seen' : 'silent'))
  t.match(
    nodesText(silent, 'n1'),
    /^0 of 7 others alive; not heard of: s0 \(never seen\), s1 \(last seen \d+d\d\dh ago\), .*s4 .*, 2 more: margayctl node list$/,
  )
  t.equal(seenText(node('n1', 'never seen')), 'never seen')
})

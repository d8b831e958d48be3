// The network between a node and etcd is cut, and mended when what happened meanwhile is compacted.

import { execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { WatchEvent } from '../contract.ts'
import { TestEtcd } from './testing.ts'

const [servers, node] = [`mgetcd-${process.pid}-s`, `mgetcd-${process.pid}-n`]
const address = '10.9.0.1'
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })

function removeNamespaces(): void {
  for (const netns of [servers, node])
    try {
      ip('netns', 'del', netns)
    } catch {
      // It was never made.
    }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    removeNamespaces()
    process.exit(1)
  })

t.test('a cut, a compaction, and the net again', async t => {
  t.teardown(removeNamespaces)
  ip('netns', 'add', servers)
  ip('netns', 'add', node)
  ip('-n', servers, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', node)
  for (const [netns, own] of [
    [servers, address],
    [node, '10.9.0.2'],
  ]) {
    ip('-n', netns, 'address', 'add', `${own}/24`, 'dev', 'eth0')
    for (const link of ['lo', 'eth0']) ip('-n', netns, 'link', 'set', link, 'up')
  }
  const etcd = await TestEtcd.start(t, { at: { netns: servers, address } })
  const put = (name: string) => etcd.ctl('put', `/margay/Node/${name}`, '{"layout":1,"value":1}')
  for (const name of ['n1', 'n2', 'n3']) await put(name)

  const child = spawn(
    'nsenter',
    [`--net=/run/netns/${node}`, '--', process.execPath, `${import.meta.dirname}/testing-watch.ts`, ...etcd.endpoints],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<WatchEvent> => {
    for (;;) {
      const { done, value } = await lines.next()
      if (done) throw new Error('the watching program has ended')
      const event = JSON.parse(value) as WatchEvent
      if (event.type !== 'bookmark') return event
    }
  }
  const names = (event: WatchEvent) => event.type === 'snapshot' && event.entries.map(entry => entry.name)

  t.same(names(await next()), ['n1', 'n2', 'n3'], 'a list of more than a page')
  await put('n4')
  t.match(await next(), { type: 'put', entry: { name: 'n4', value: 1 } })

  // No carrier at the node, whose address and route stay: packets go nowhere, and nobody says so.
  ip('-n', servers, 'link', 'set', 'eth0', 'down')
  t.match(await next(), { type: 'lost', reason: /etcd at http:\/\/10\.9\.0\.1:\d+ does not answer/ })
  await etcd.members[0].kill()
  ip('-n', servers, 'link', 'set', 'lo', 'up')
  ip('-n', servers, 'address', 'add', `${address}/32`, 'dev', 'lo')
  etcd.members[0].start()
  await etcd.healthy()
  await etcd.ctl('del', '/margay/Node/n1')
  await put('n5')
  const [{ Status }] = JSON.parse(await etcd.ctl('endpoint', 'status', '-w', 'json')) as [
    { Status: { header: { revision: number } } },
  ]
  await etcd.ctl('compact', String(Status.header.revision))
  ip('-n', servers, 'link', 'set', 'eth0', 'up')
  let event = await next()
  while (event.type === 'lost') event = await next()
  t.same(names(event), ['n2', 'n3', 'n4', 'n5'], 'all that is there, and nothing that went')
  await put('n6')
  t.match(await next(), { type: 'put', entry: { name: 'n6' } }, 'and on it goes')
})

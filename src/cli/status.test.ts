import t from 'tap'
import type { DaemonStatus } from '../api/contract.ts'
import { listed } from './node-list.ts'
import { statusText } from './status.ts'

const status: DaemonStatus = {
  node: 'n1',
  version: '1.0.0',
  pid: 1,
  uptime: 60,
  datastore: { type: 'etcd', state: 'in sync' },
  inSync: true,
  waitingFor: [],
  peers: { established: 0, configured: 0 },
  blocks: [],
  endpoints: 0,
  unchecked: [],
  partial: [],
  routes: { installed: 0, conflicts: [] },
  waits: [],
  problems: ['a problem'],
}

t.test('records of unknown kinds are named', t => {
  const cluster = { nodes: [], unknownKinds: [{ kind: 'Widget', names: ['a'] }] }
  t.match(
    statusText(status, cluster).split('\n').at(-1),
    /^ {2}! records of kind Widget in the datastore: .*: a\. They stay/,
  )
  t.end()
})

t.test('a sign of life that never ends is named, of another node; of its own the daemon tells it', t => {
  const removal = 'etcdctl del /margay/~alive/n2'
  const of = (name: string) => listed(name, { name, about: {}, isAlive: true, seen: '', removal }, true)
  const text = statusText(status, { nodes: [of('n1'), of('n2')], unknownKinds: [] })
  t.match(text, /\n {2}! node "n2": its sign of life .*has no lease.*: etcdctl del \/margay\/~alive\/n2$/)
  t.notMatch(text, '! node "n1"')
  t.end()
})

t.test('a datastore that takes no writes stands out, first of what is wrong', t => {
  t.match(statusText(status).split('\n')[1], /datastore +etcd, in sync$/)
  const refusal = { code: 'locked', text: 'The datastore was locked by op1: margayctl datastore unlock.' } as const
  const lines = statusText({ ...status, datastore: { ...status.datastore, refusal } }).split('\n')
  t.match(lines[1], /datastore +etcd, in sync, takes no writes$/)
  t.same(lines.slice(-2), [`  ! ${refusal.text}`, '  ! a problem'])
  t.end()
})

t.test('records that cannot be read are as many lines as other lists have', t => {
  const unreadable = Array.from({ length: 23 }, (_, i) => `node "x${i}" in the datastore cannot be read`)
  const lines = statusText({ ...status, problems: [unreadable[0], 'a problem', ...unreadable.slice(1)], unreadable })
    .split('\n')
    .filter(line => line.startsWith('  ! '))
  t.same(lines, [
    '  ! a problem',
    ...unreadable.slice(0, 20).map(text => `  ! ${text}`),
    '  ! and 3 more (-o json names all)',
  ])
  const kinds = Array.from({ length: 21 }, (_, i) => ({ kind: `K${i}`, names: ['a'] }))
  t.match(
    statusText(status, { nodes: [], unknownKinds: kinds }),
    /kind K19 [^\n]*\n {2}! and 1 more \(-o json names all\)$/,
  )
  t.end()
})

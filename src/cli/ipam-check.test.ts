import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseConfig } from '../api/config.ts'
import type { DaemonStatus } from '../api/contract.ts'
import { type Handlers, serve } from '../api/server.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { copyKind } from '../ipam/records.ts'
import { checkIpam, checkText } from './ipam-check.ts'

for (const fix of [false, true])
  t.test(`what nobody looked at does not agree${fix ? ', nor is it put right' : ''}: the daemon is down`, async t => {
    const socket = '/nowhere/margay.sock'
    const context = {
      format: () => 'json' as const,
      config: () => parseConfig(`api: { socket: ${socket} }`, 'margayd.yaml', 'n1'),
      datastore: async () => new MemoryDatastore(),
    }
    const written = t.capture(process.stdout, 'write', () => true)
    const ended: unknown = await checkIpam(context, { fix }).catch((error: unknown) => error)
    written.restore()
    t.match(ended, { exitCode: 1, message: '1 finding' })
    const rows: unknown = JSON.parse(
      written()
        .map(({ args }) => String(args[0]))
        .filter(text => text.startsWith('['))
        .join(''),
    )
    t.match(rows, [
      { where: 'n1', kind: 'not-looked', object: 'pods and routes', state: 'yours', text: /is it running/ },
    ])
  })

t.test('records that this node does not believe: that is said, and none of them is put right', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'margay-check-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const socket = join(folder, 'api.sock')
  const datastore = { type: 'etcd', state: 'in sync', held: 'records would go' } as const
  const handlers: Partial<Handlers> = {
    '/v1/status': () => ({ node: 'n1', datastore }) as DaemonStatus,
    '/v1/ipam/fix': () => ({ node: 'n1', findings: [] }),
  }
  const server = await serve(socket, handlers as Handlers)
  t.teardown(() => server.close())
  const store = new MemoryDatastore()
  await store.create(copyKind, '10-42-0-0-26', { node: 'n2', cidr: '10.42.0.0/26', addresses: {} })
  const context = {
    format: () => 'json' as const,
    config: () => parseConfig(`api: { socket: ${socket} }`, 'margayd.yaml', 'n1'),
    datastore: async () => store,
  }
  const written = t.capture(process.stdout, 'write', () => true)
  await checkIpam(context, { fix: true }).catch(() => undefined)
  written.restore()
  const rows = JSON.parse(
    written()
      .flatMap(({ args: [text] }) => (String(text).startsWith('[') ? [text] : []))
      .join(''),
  ) as unknown
  t.match(rows, [
    { where: 'n1', kind: 'not-looked', object: 'datastore', text: /records would go/ },
    { where: 'cluster', kind: 'orphan-copy', state: 'yours' },
  ])
  t.ok(await store.get(copyKind, '10-42-0-0-26'))
})

t.test('what is fixable while the datastore takes no writes is said to wait for that', t => {
  const rows = [{ where: 'n1', kind: 'leak', object: '10.42.0.1', state: 'fixable', text: 'nobody has it' }] as const
  t.match(checkText(rows, { fix: false }), /--fix puts right what is fixable$/)
  const refusal = 'The datastore was locked (new disks).'
  t.match(
    checkText(rows, { fix: false, refusal }),
    /fixable when the datastore takes writes again: The .* \(new disks\)\.$/,
  )
  t.end()
})

t.test('of records that cannot be read the first are shown, and all other findings', t => {
  const row = (kind: 'unreadable' | 'leak', object: string) =>
    ({ where: 'cluster', kind, object, state: 'yours', text: 'what' }) as const
  const rows = [...Array.from({ length: 24 }, (_, i) => row('unreadable', `x${i}`)), row('leak', '10.42.0.1')]
  const lines = checkText(rows, { fix: false }).split('\n')
  t.equal(lines.length, 1 + 20 + 1 + 2)
  t.match(lines[21], /^cluster +leak +10\.42\.0\.1 /)
  t.same(lines.slice(-2), ['', 'and 4 more that are unreadable (-o json names all)'])
  t.end()
})

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { program } from './testing.ts'
import { openEmbeddedDatastore } from '../datastore/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'margay-cli-'))
t.teardown(() => rmSync(folder, { recursive: true }))
writeFileSync(
  join(folder, 'margayd.yaml'),
  'node: { name: n1 }\ndatastore: { type: embedded, path: cluster.db }\napi: { socket: api.sock }\n',
)

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function margayctl(args: string, input = ''): Ended {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, '--config', join(folder, 'margayd.yaml'), ...args.split(' ')],
    {
      input,
      encoding: 'utf8',
    },
  )
  return { code: status, out: stdout, err: stderr }
}

const pool = (name: string, cidr: string): string =>
  `apiVersion: margay.io/v1\nkind: IPPool\nmetadata: { name: ${name} }\nspec: { cidr: ${cidr} }\n`

t.test('resources are created, left alone, changed, shown and deleted', async t => {
  t.match(margayctl('apply -f -', pool('default', '10.42.0.0/16')), { code: 0, out: 'ippool "default" created\n' })
  t.match(margayctl('apply -f -', pool('default', '10.42.0.0/16')), { code: 0, out: 'ippool "default" unchanged\n' })
  const disabled = pool('default', '10.42.0.0/16').replace('/16 }', '/16, disabled: true }')
  t.match(margayctl('apply -f -', disabled), { code: 0, out: 'ippool "default" configured\n' })
  t.match(margayctl('get pools'), { code: 0, out: /default +10\.42\.0\.0\/16 +26 +all\(\) +true/ })
  const [shown] = [JSON.parse(margayctl('get ippool default -o json').out)]
  t.match(shown, { kind: 'IPPool', spec: { cidr: '10.42.0.0/16', disabled: true } })
  t.match(margayctl('delete ippool default'), { code: 0, out: 'ippool "default" deleted\n' })
  t.match(margayctl('get ippool default'), { code: 3, err: /ippool "default" does not exist/ })
})

t.test('what was read is not written over somebody else’s change', async t => {
  margayctl('apply -f -', pool('one', '10.50.0.0/16'))
  const read = margayctl('get ippool one -o yaml').out
  margayctl('apply -f -', pool('one', '10.50.0.0/16').replace('/16 }', '/16, disabled: true }'))
  t.match(margayctl('apply -f -', read), { code: 1, err: /ippool "one" was changed since version \d+ was read/ })
})

t.test(
  'nothing is applied when one object is wrong, and the sentence names object, value, place and next step',
  async t => {
    const { code, err } = margayctl(
      'apply -f -',
      `${pool('two', '10.60.0.0/16')}---\n${pool('three', '10.60.128.0/17')}`,
    )
    t.equal(code, 1)
    t.match(err, /ippool "three": cidr 10\.60\.128\.0\/17 overlaps pool "two" \(10\.60\.0\.0\/16\)\./)
    t.match(err, /standard input:9:15 /)
    t.match(err, /Nothing was applied\./)
    t.match(margayctl('get ippool two'), { code: 3 })
  },
)

t.test('a record that cannot be read is named, hides no other, and is mended by apply', async t => {
  const store = openEmbeddedDatastore(join(folder, 'cluster.db'), { create: true })
  await store.create('IPPool', 'good', {
    apiVersion: 'margay.io/v1',
    kind: 'IPPool',
    metadata: { name: 'good' },
    spec: { cidr: '10.80.0.0/16' },
  })
  await store.create('IPPool', 'bad', { spec: 5 })
  await store.create('Node', 'spoiled', { spec: 5 })
  t.match(margayctl('get pools'), {
    code: 1,
    out: /good +10\.80\.0\.0/,
    err: /^margayctl: ippool "bad" in the datastore cannot be read: apiVersion is missing;.*: margayctl delete ippool bad\n$/,
  })
  t.match(margayctl('apply -f -', pool('bad', '10.81.0.0/16')), {
    code: 0,
    out: 'ippool "bad" configured\n',
    err: /^margayctl: node "spoiled" in the datastore cannot be read: [^\n]*\n$/,
  })
  t.match((await store.get('IPPool', 'bad'))?.value, { spec: { cidr: '10.81.0.0/16' } })
  for (const [kind, name] of [
    ['IPPool', 'good'],
    ['IPPool', 'bad'],
    ['Node', 'spoiled'],
  ])
    await store.delete(kind, name)
  await store.close()
})

t.test('of many that cannot be read the first are named, and all where a program reads them', async t => {
  const store = openEmbeddedDatastore(join(folder, 'cluster.db'), { create: true })
  const names = Array.from({ length: 22 }, (_, i) => `bad${i}`)
  for (const name of names) await store.create('Node', name, { spec: 5 })
  const lines = (args: string, input = '') => margayctl(args, input).err.trimEnd().split('\n')
  t.same([lines('get nodes').length, lines('get nodes').at(-1)], [21, 'and 2 more (-o json names all)'])
  t.equal(lines('get nodes -o json').length, 22)
  t.same(lines('apply -f -', pool('sound', '10.84.0.0/16')).slice(20), ['and 2 more'])
  for (const name of names) await store.delete('Node', name)
  await store.delete('IPPool', 'sound')
  await store.close()
})

t.test('a record that nobody can use is deleted by its kind and name, and no other', async t => {
  const store = openEmbeddedDatastore(join(folder, 'cluster.db'), { create: true })
  const sound = {
    apiVersion: 'margay.io/v1',
    kind: 'IPPool',
    metadata: { name: 'sound' },
    spec: { cidr: '10.83.0.0/16' },
  }
  t.teardown(() => store.close())
  const block = { cidr: '10.42.0.0/26', node: 'n1', pool: 'default', claimedAt: '' }
  for (const [kind, name, value, want] of [
    ['Widget', 'w', { of: 'somebody else' }, { code: 0, out: 'record Widget w deleted\n' }],
    ['Block', 'scribble', 'what is this', { code: 0 }],
    ['Node', 'spoiled', { spec: 5 }, { code: 0 }],
    ['Block', '10-42-0-0-26', block, { code: 1, err: /node "n1" has it by this record.*decommission n1/ }],
    ['IPPool', 'sound', sound, { code: 1, err: /margayctl delete ippool sound/ }],
    ['DatastoreLock', 'default', {}, { code: 1, err: /margayctl datastore unlock/ }],
  ] as const) {
    await store.create(kind, name, value)
    t.match(margayctl(`datastore delete ${kind} ${name}`), want, `${kind} ${name}`)
    t.equal((await store.get(kind, name)) === undefined, want.code === 0)
    if (want.code !== 0) await store.delete(kind, name)
  }
  t.match(margayctl('datastore delete Widget w'), { code: 3, err: /there is no record Widget w/ })
})

t.test('what another program writes later is waited for', async t => {
  const command = `{ sleep 1; cat <<'E'\n${pool('late', '10.70.0.0/16')}E\n} | ${process.execPath} ${program} --config ${join(folder, 'margayd.yaml')} apply -f -`
  t.match(spawnSync('sh', ['-c', command], { encoding: 'utf8' }), { status: 0, stdout: 'ippool "late" created\n' })
})

t.test('a reader that has seen enough is no failure', async t => {
  const { stderr } = spawnSync(
    'sh',
    ['-c', `${process.execPath} ${program} --config ${join(folder, 'margayd.yaml')} get pools -o yaml | true`],
    { encoding: 'utf8' },
  )
  t.equal(stderr, '')
})

t.test('exit codes tell usage from failure', async t => {
  for (const [args, code] of [
    ['frobnicate', 2],
    ['get', 2],
    ['get sandwiches', 2],
    ['delete ippool', 2],
    ['delete ippool none', 3],
    ['route get 10.0.0.300', 2],
    ['bgp summary', 1],
    ['--help', 0],
  ] as const)
    t.equal(margayctl(args).code, code, args)
  t.match(margayctl('bgp summary').err, /margayd does not answer on .*api\.sock: is it running\?/)
})

t.test('a Node applied without the address that was found keeps it, and loses it with its whole section', async t => {
  const node = (bgp: string): string =>
    `apiVersion: margay.io/v1\nkind: Node\nmetadata: { name: found }\nspec: { ${bgp} }\n`
  margayctl('apply -f -', node('bgp: { ipv4Address: 10.0.1.7/24 }'))
  t.match(margayctl('apply -f -', node('bgp: {}')), { code: 0, out: 'node "found" unchanged\n' })
  t.match(margayctl('apply -f -', node('bgp: { ipv4Address: 10.0.2.7/24, ipv6Address: fd00::7/64 }')), { code: 0 })
  t.match(margayctl('apply -f -', node('bgp: { asNumber: 65001 }')), { code: 0, out: 'node "found" configured\n' })
  const shown = () => margayctl('get node found -o yaml').out
  t.match(shown(), /ipv4Address: 10\.0\.2\.7\/24/)
  t.match(shown(), /ipv6Address: fd00::7\/64/)
  t.match(margayctl('apply -f -', node('')), { code: 0 })
  t.notMatch(shown(), 'ipv4Address')
})

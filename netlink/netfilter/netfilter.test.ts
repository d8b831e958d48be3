// The kernel judges: what is sent is what it says afterwards, to us and to `nft`.

import { execFileSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { intervals, openNetfilter } from '../index.ts'
import { namespace, type TestNamespace } from '../test-namespace.ts'
import type { Expression, Netfilter, NetfilterTable } from './types.ts'

async function world(t: Test): Promise<{ ns: TestNamespace; netfilter: Netfilter }> {
  const ns = namespace(t)
  const netfilter = await openNetfilter({ netns: ns.path })
  t.teardown(() => netfilter.close())
  return { ns, netfilter }
}

const nft = (ns: TestNamespace, ...words: string[]): string =>
  execFileSync('ip', ['netns', 'exec', ns.name, 'nft', ...words], { encoding: 'utf8' })

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const isFamily = (number: number): Expression[] => [
  { do: 'meta', to: 1, key: 'nfproto' },
  { do: 'cmp', from: 1, is: 'eq', value: Uint8Array.of(number) },
]
const source: Expression = { do: 'payload', to: 1, base: 'network', offset: 12, length: 4 }
const drop: Expression = { do: 'verdict', verdict: 'drop' }

/** Every expression that the library writes. */
const table: NetfilterTable = {
  family: 'inet',
  name: 'ours',
  comment: 'made by a test',
  sets: [
    {
      name: 'devices',
      key: 'device',
      interval: false,
      elements: [{ key: octets('6d677930313233343536373839610000') }],
    },
    {
      name: 'hosts',
      key: 'ipv4',
      interval: false,
      elements: [{ key: octets('0a000107') }, { key: octets('0a000108') }],
    },
    {
      name: 'pods4',
      key: 'ipv4',
      interval: true,
      elements: intervals(['10.43.0.0/16', '10.42.0.0/16', '10.42.1.0/24', '192.0.2.1/32', '255.255.255.0/24']),
    },
    { name: 'pods6', key: 'ipv6', interval: true, elements: intervals(['fd00:42::/48', 'ffff::/16']) },
  ],
  chains: [
    {
      name: 'nat',
      hook: { at: 'postrouting', type: 'nat', priority: 100, policy: 'accept' },
      rules: [
        {
          comment: 'from pods to the outside',
          expressions: [
            ...isFamily(2),
            source,
            { do: 'lookup', from: 1, set: 'pods4' },
            { do: 'payload', to: 1, base: 'network', offset: 16, length: 4 },
            { do: 'lookup', from: 1, set: 'pods4', not: true },
            { do: 'masquerade' },
          ],
        },
        {
          expressions: [
            ...isFamily(10),
            { do: 'payload', to: 2, base: 'network', offset: 8, length: 16 },
            { do: 'lookup', from: 2, set: 'pods6' },
            { do: 'counter' },
            { do: 'masquerade' },
          ],
        },
      ],
    },
    {
      name: 'early',
      hook: { at: 'prerouting', type: 'filter', priority: -300, policy: 'accept' },
      rules: [
        {
          expressions: [
            { do: 'meta', to: 1, key: 'iifname' },
            { do: 'cmp', from: 1, is: 'eq', value: octets('6d6779') },
            { do: 'lookup', from: 1, set: 'devices', not: true },
            { do: 'fib', to: 1, result: 'oif', flags: 1 | 8 | 32 },
            { do: 'cmp', from: 1, is: 'eq', value: octets('00000000') },
            drop,
          ],
        },
      ],
    },
    {
      name: 'forward',
      hook: { at: 'forward', type: 'filter', priority: -150, policy: 'drop' },
      rules: [
        {
          expressions: [
            { do: 'ct', to: 1, key: 'state' },
            { do: 'bitwise', from: 1, to: 1, length: 4, mask: octets('06000000'), xor: octets('00000000') },
            { do: 'cmp', from: 1, is: 'neq', value: octets('00000000') },
            { do: 'verdict', verdict: 'accept' },
          ],
        },
        {
          expressions: [
            ...isFamily(2),
            source,
            { do: 'lookup', from: 1, set: 'hosts', not: true },
            { do: 'verdict', verdict: 'jump', chain: 'syn' },
          ],
        },
      ],
    },
    {
      name: 'syn',
      rules: [
        {
          expressions: [
            { do: 'meta', to: 1, key: 'l4proto' },
            { do: 'cmp', from: 1, is: 'eq', value: Uint8Array.of(6) },
            { do: 'payload', to: 1, base: 'transport', offset: 13, length: 1 },
            { do: 'bitwise', from: 1, to: 1, length: 1, mask: octets('06'), xor: octets('00') },
            { do: 'cmp', from: 1, is: 'eq', value: octets('02') },
            { do: 'rt', to: 1, key: 'tcpmss' },
            { do: 'byteorder', from: 1, to: 1, op: 'hton', length: 2, size: 2 },
            { do: 'exthdr', op: 'tcpopt', type: 2, offset: 2, length: 2, from: 1 },
          ],
        },
        {
          expressions: [
            { do: 'immediate', to: 1, value: octets('00000001') },
            { do: 'verdict', verdict: 'return' },
          ],
        },
      ],
    },
  ],
}

t.test('a table is put in place, dumped as given and read alike by nft', async t => {
  const { ns, netfilter } = await world(t)
  t.equal(await netfilter.table(table), undefined)
  t.strictSame(await netfilter.replace(table), { ok: true })
  t.strictSame(await netfilter.table(table), table, 'the dump')
  const text = nft(ns, 'list', 'table', 'inet', 'ours').replaceAll(/\s+/g, ' ')
  for (const line of [
    'comment "made by a test"',
    'elements = { 10.42.0.0/15, 192.0.2.1, 255.255.255.0/24 }',
    'elements = { fd00:42::/48,',
    'type nat hook postrouting priority srcnat; policy accept;',
    'ip saddr @pods4 ip daddr != @pods4 masquerade comment "from pods to the outside"',
    'ip6 saddr @pods6 counter packets 0 bytes 0 masquerade',
    'type filter hook prerouting priority raw; policy accept;',
    'iifname "mgy*" iifname != @devices fib saddr . iif oif missing drop',
    'elements = { "mgy0123456789a" }',
    'elements = { 10.0.1.7, 10.0.1.8 }',
    'ip saddr != @hosts jump syn',
    'type filter hook forward priority mangle; policy drop;',
    'ct state established,related accept',
    'tcp flags syn / syn,rst tcp option maxseg size set rt mtu',
  ])
    t.ok(text.includes(line), line)
  const json = JSON.parse(nft(ns, '-j', 'list', 'table', 'inet', 'ours')) as { nftables: Record<string, unknown>[] }
  const kinds = json.nftables.flatMap(Object.keys)
  const count = (kind: string): number => kinds.filter(each => each === kind).length
  t.same([count('table'), count('set'), count('chain'), count('rule')], [1, 4, 4, 7], 'nft -j: nothing more')
})

t.test('a table that nft has made is read as one of ours, and what we do not know is said so', async t => {
  const { ns, netfilter } = await world(t)
  nft(ns, 'add table ip other; add chain ip other c { type filter hook forward priority filter + 5; policy drop; }')
  nft(ns, 'add rule ip other c ip saddr 10.42.0.0/16 accept comment "margay"; add rule ip other c limit rate 1/second')
  t.strictSame(await netfilter.tables(), [{ family: 'ip', name: 'other' }])
  const hook = { at: 'forward', type: 'filter', priority: 5, policy: 'drop' } as const
  t.strictSame(await netfilter.chains(), [{ family: 'ip', name: 'other', chain: { name: 'c', hook } }])
  const found = await netfilter.table({ family: 'ip', name: 'other' })
  t.match(found?.chains[0].rules, [
    {
      comment: 'margay',
      expressions: [
        { do: 'payload', to: 1, base: 'network', offset: 12, length: 2 },
        { do: 'cmp', from: 1, is: 'eq', value: octets('0a2a') },
        { do: 'verdict', verdict: 'accept' },
      ],
    },
    { expressions: [{ do: 'unknown', name: 'limit' }] },
  ])
})

t.test('all of a table or nothing: the old one stays whole where the new one is refused', async t => {
  const { netfilter } = await world(t)
  await netfilter.replace(table)
  const worse: NetfilterTable = {
    ...table,
    chains: [{ name: 'nat', rules: [{ expressions: [source, { do: 'lookup', from: 1, set: 'nowhere' }, drop] }] }],
  }
  t.match(await netfilter.replace(worse), {
    ok: false,
    errno: 'ENOENT',
    text: /^table inet ours, chain nat, rule 1: /,
  })
  t.strictSame(await netfilter.table(table), table)
  const invalid: NetfilterTable = { ...table, comment: 'x'.repeat(128) }
  t.match(await netfilter.replace(invalid), { ok: false, errno: 'EINVAL', text: /128 octets; give at most 127/ })
  t.strictSame(await netfilter.table(table), table)
})

t.test('a replacement leaves nothing of what was, and touches no other table', async t => {
  const { ns, netfilter } = await world(t)
  nft(ns, 'add table inet theirs; add chain inet theirs c; add rule inet theirs c counter')
  const before = nft(ns, 'list', 'table', 'inet', 'theirs')
  await netfilter.replace(table)
  nft(ns, 'add rule inet ours syn drop; add set inet ours more { type ipv4_addr; }')
  t.notSame(await netfilter.table(table), table)
  const smaller: NetfilterTable = { family: 'inet', name: 'ours', sets: [], chains: [{ name: 'one', rules: [] }] }
  t.strictSame(await netfilter.replace(smaller), { ok: true })
  t.strictSame(await netfilter.table(table), smaller)
  t.strictSame(await netfilter.remove(table), { ok: true })
  t.equal(await netfilter.table(table), undefined)
  t.match(await netfilter.remove(table), { ok: false, errno: 'ENOENT' })
  t.equal(nft(ns, 'list', 'table', 'inet', 'theirs'), before)
})

t.test('a set of thousands goes in one transaction, larger than any batch of routes', async t => {
  const { ns, netfilter } = await world(t)
  const prefixes = Array.from({ length: 5000 }, (_, i) => `10.${i >> 8}.${i & 255}.1/32`)
  const large: NetfilterTable = {
    family: 'inet',
    name: 'ours',
    sets: [{ name: 'many', key: 'ipv4', interval: true, elements: intervals(prefixes) }],
    chains: [],
  }
  let generations = 0
  const stop = await netfilter.watch(() => generations++)
  t.strictSame(await netfilter.replace(large), { ok: true })
  t.strictSame(await netfilter.table(large), large)
  t.equal(nft(ns, 'list', 'table', 'inet', 'ours').match(/10\.\d+\.\d+\.1\b/g)?.length, 5000)
  t.ok(generations > 0)
  await stop()
})

t.test('what others change is heard', async t => {
  const { ns, netfilter } = await world(t)
  const heard = Promise.withResolvers<void>()
  const stop = await netfilter.watch(() => heard.resolve())
  nft(ns, 'add table ip any')
  await heard.promise
  await stop()
})

t.test('without the right the whole is refused, at its first message, and that ends the wait', async t => {
  const ns = namespace(t)
  const script = `
    import { openNetfilter } from ${JSON.stringify(new URL('../index.ts', import.meta.url).href)}
    await using netfilter = await openNetfilter()
    const empty = { family: 'inet', name: 'ours', sets: [], chains: [] }
    console.log(JSON.stringify([await netfilter.replace(empty), await netfilter.remove(empty)]))`
  const without = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin']
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  const printed = execFileSync('ip', ['netns', 'exec', ns.name, ...without, ...node], { encoding: 'utf8' })
  t.match(JSON.parse(printed), [
    { ok: false, errno: 'EPERM', text: /CAP_NET_ADMIN/ },
    { ok: false, errno: 'EPERM' },
  ])
})

t.test('intervals: what touches or overlaps is one, and the last address has none behind it', async t => {
  const hex = (prefixes: string[]): string[] =>
    intervals(prefixes).map(({ key, end }) => `${Buffer.from(key).toString('hex')}${end ? ' end' : ''}`)
  for (const [prefixes, expected] of [
    [[], []],
    [['0.0.0.0/0'], ['00000000']],
    [['10.0.0.0/8'], ['0a000000', '0b000000 end']],
    [
      ['10.0.1.0/24', '10.0.0.0/24', '10.0.0.7/32'],
      ['0a000000', '0a000200 end'],
    ],
    [
      ['10.0.0.0/24', '10.0.2.0/24'],
      ['0a000000', '0a000100 end', '0a000200', '0a000300 end'],
    ],
    [['ff00::/8'], ['ff'.padEnd(32, '0')]],
  ] as const)
    t.same(hex([...prefixes]), expected, prefixes.join())
  t.throws(() => intervals(['10.0.0.1/8']), { message: /no prefix/ })
})

// What the packet filter writes and when, on the fake kernel with a clock whose hands the test turns.

import t, { type Test } from 'tap'
import type { NetfilterTable } from '../../../netlink/netfilter/types.ts'
import type { FilterRules } from '../../model/intent.ts'
import { FakeNetfilter } from '../fake-netfilter.ts'
import { HandClock } from '../fake-world.ts'
import { Filters } from './filters.ts'
import { ourComment, tableOf } from './table.ts'

const rules: FilterRules = {
  masquerade: ['10.42.0.0/16'],
  exclusions: [],
  pools: ['10.42.0.0/16', 'fd00:42::/48'],
  nodes: ['10.0.0.9/32', 'fd00::9/128'],
  tunnels: [],
}
const theirs: NetfilterTable = { family: 'inet', name: 'theirs', sets: [], chains: [{ name: 'c', rules: [] }] }

function world(t: Test, kernel = new FakeNetfilter()) {
  const clock = new HandClock()
  const filters = new Filters({ open: () => kernel.handle(), clock, auditEvery: 90_000 })
  t.teardown(() => filters.close())
  /** Lets events in, and turns the clock. */
  const pass = async (ms: number): Promise<void> => {
    await new Promise(resolve => setImmediate(resolve))
    clock.advance(ms)
    await filters.settle()
  }
  return { kernel, clock, filters, pass, ours: () => kernel.tables.find(({ name }) => name === 'margay') }
}

t.test('written once, then only where something differs', async t => {
  const { kernel, filters, pass, ours } = world(t)
  filters.set(rules)
  await filters.settle()
  t.strictSame(ours(), tableOf(rules))
  filters.set(structuredClone(rules))
  await pass(50)
  await pass(90_000)
  t.same(kernel.log, ['replace inet margay'], 'no second write: not by the same rules, our own event or the audit')
  filters.set({ ...rules, masquerade: [] })
  await filters.settle()
  t.same(
    ours()?.chains.map(chain => chain.name),
    ['anti_spoofing'],
    'nothing is translated, nothing is tracked',
  )
  t.same(ours()?.sets, [])
  t.equal(kernel.log.length, 2)
  t.same(filters.problems, [])
})

t.test('a new process with the same rules writes nothing', async t => {
  const { kernel, filters } = world(t)
  filters.set(rules)
  await filters.settle()
  await filters.close()
  kernel.log.length = 0
  const next = world(t, kernel)
  next.filters.set(structuredClone(rules))
  await next.filters.settle()
  await next.pass(90_000)
  t.same(kernel.log, [])
})

t.test('removed when nothing needs it, also when an earlier process made it; no other table is touched', async t => {
  const { kernel, filters, pass } = world(t)
  kernel.change([theirs])
  filters.set(rules)
  await filters.settle()
  filters.set(undefined)
  await filters.settle()
  t.same(kernel.tables, [theirs])
  filters.set(rules)
  await filters.settle()
  const next = world(t, kernel)
  next.filters.set(undefined)
  await next.filters.settle()
  t.same(kernel.tables, [theirs])
  await pass(0)
})

t.test('what others do to it is undone within a second, and they are told if they go on', async t => {
  const { kernel, filters, pass, ours } = world(t)
  filters.set(rules)
  await filters.settle()
  await pass(50)
  kernel.change([theirs])
  await pass(50)
  t.strictSame(ours(), tableOf(rules), 'a flush')
  kernel.change([theirs, { ...tableOf(rules), chains: [] }])
  await pass(50)
  t.strictSame(ours(), tableOf(rules), 'a change inside')
  t.same(filters.problems, [])
  kernel.change([])
  await pass(50)
  t.match(filters.problems, [/another program keeps changing .*nft monitor/])
  kernel.log.length = 0
  for (let i = 0; i < 100; i++) {
    kernel.change([])
    await pass(100)
  }
  t.ok(kernel.log.length >= 2 && kernel.log.length <= 4, `${kernel.log.length} repairs in 10 seconds of a fight`)
  await pass(60_000)
  await pass(60_000)
  t.strictSame(ours(), tableOf(rules), 'it is put back in the end')
  await pass(100_000)
  t.same(filters.problems, [], 'and forgotten')
})

t.test('a table of our name that we have not made is left alone', async t => {
  const { kernel, filters, pass, ours } = world(t)
  const foreign: NetfilterTable = { ...theirs, name: 'margay' }
  kernel.change([foreign])
  filters.set(rules)
  await filters.settle()
  t.match(filters.problems, [/another program has an nftables table inet margay.*nft delete table inet margay/])
  filters.set(undefined)
  await filters.settle()
  t.same([kernel.tables, kernel.log, filters.problems], [[foreign], [], []])
  filters.set(rules)
  await filters.settle()
  kernel.change([])
  await pass(50)
  t.equal(ours()?.comment, ourComment, 'ours as soon as the name is free')
  t.same(filters.problems, [])
})

t.test('a kernel that cannot: one sentence, and it is tried again', async t => {
  for (const [code, expected] of [
    ['EINVAL', /has no nf_tables.*modprobe/],
    ['EPERM', /CAP_NET_ADMIN/],
  ] as const) {
    const { kernel, filters, pass, ours } = world(t)
    kernel.missing = code
    const heard: (readonly string[])[] = []
    filters.onProblems(problems => heard.push(problems))
    filters.set(undefined)
    await filters.settle()
    t.same(filters.problems, [], 'of no interest where nothing is wanted')
    filters.set(rules)
    await filters.settle()
    await pass(1_000)
    t.match(filters.problems, [expected])
    t.equal(heard.length, 1, 'said once')
    kernel.missing = undefined
    await pass(2_000)
    t.strictSame(ours(), tableOf(rules))
    t.same(filters.problems, [])
  }
  const { kernel, filters, pass, ours } = world(t)
  kernel.refuse = () => ({ ok: false, errno: 'ENOENT', text: 'table inet margay, chain nat_outgoing, rule 1: no' })
  filters.set(rules)
  await filters.settle()
  t.match(filters.problems, [
    /lacks a part of nftables \(table inet margay, chain nat_outgoing, rule 1.*modprobe -a nft_masq/,
  ])
  kernel.refuse = undefined
  await pass(1_000)
  t.strictSame(ours(), tableOf(rules))
})

t.test('a chain that accepts by policy and rejects by its last rule is reported as well', async t => {
  const { kernel, filters, pass } = world(t)
  const ending = (verdict: 'accept' | 'drop'): NetfilterTable => ({
    family: 'inet',
    name: 'site',
    sets: [],
    chains: [
      {
        name: 'through',
        hook: { at: 'forward', type: 'filter', priority: 0, policy: 'accept' },
        rules: [{ expressions: [{ do: 'counter' }, { do: 'verdict', verdict }] }],
      },
    ],
  })
  kernel.change([ending('drop')])
  filters.set(rules)
  await filters.settle()
  t.match(filters.problems, [/chain through of the nftables table inet site drops packets from or to pods/])
  kernel.change([ending('accept'), tableOf(rules)])
  await pass(50)
  t.same(filters.problems, [])
})

t.test(
  "another table's policy that drops forwarded packets is reported with the command, until somebody typed it",
  async t => {
    const { kernel, filters, pass } = world(t)
    const docker = (family: 'ip' | 'inet', extra: NetfilterTable['chains'] = []): NetfilterTable => ({
      family,
      name: 'filter',
      sets: [],
      chains: [
        { name: 'FORWARD', hook: { at: 'forward', type: 'filter', priority: 0, policy: 'drop' }, rules: [] },
        ...extra,
      ],
    })
    kernel.change([docker('ip')])
    filters.set(rules)
    await filters.settle()
    t.match(filters.problems, [
      /FORWARD of the nftables table ip filter.*10.42.0.0\/16; .*: iptables -I FORWARD -i mgy\+ -m comment --comment margay -j ACCEPT && iptables -I FORWARD -o mgy\+/,
    ])
    t.notMatch(filters.problems[0], 'fd00', 'a table of IPv4 drops IPv4')
    const own = { name: 'DOCKER-USER', rules: [] }
    const jump = { expressions: [{ do: 'verdict', verdict: 'jump', chain: 'DOCKER-USER' } as const] }
    const withDocker = (rules: NetfilterTable['chains'][number]['rules']): NetfilterTable => {
      const [forward] = docker('ip').chains
      return {
        ...docker('ip'),
        chains: [
          { ...forward, rules: [jump] },
          { ...own, rules },
        ],
      }
    }
    kernel.change([withDocker([]), tableOf(rules)])
    await pass(50)
    t.match(filters.problems, [/iptables -I DOCKER-USER -i mgy/])
    const octets = new TextEncoder().encode('....comment\0....margay\0')
    const commented = { do: 'unknown', name: 'match', octets } as const
    kernel.change([withDocker([{ expressions: [commented] }]), tableOf(rules)])
    await pass(50)
    t.equal(filters.problems.length, 1, 'a comment lets nobody through')
    const typed = (['iifname', 'oifname'] as const).map(key => ({
      expressions: [
        { do: 'meta', to: 1, key },
        { do: 'cmp', from: 1, is: 'eq', value: new TextEncoder().encode('mgy') },
        commented,
        { do: 'counter' },
        { do: 'verdict', verdict: 'accept' },
      ] as const,
    }))
    kernel.change([withDocker(typed.slice(0, 1)), tableOf(rules)])
    await pass(50)
    t.equal(filters.problems.length, 1, 'one direction is not enough')
    kernel.change([withDocker(typed), tableOf(rules)])
    await pass(50)
    t.same(filters.problems, [])
  },
)

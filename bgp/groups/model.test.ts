// Random histories against a naive model: whatever happens in whatever order, every peer ends up with exactly the
// routes that a plain reading of the RFCs gives it, and nothing is left behind when all is gone.

import * as fc from 'fast-check'
import t from 'tap'
import { acceptAll, type PathSelection, type Policy, rejectAll } from '../types.ts'
import type { PeerTraits } from '../rib/port.ts'
import { type Attributes, Bench, id, type Receiver } from './testing.ts'

const PREFIXES = Array.from({ length: 12 }, (_, i) => `10.0.${i}.0/24`)
const CLUSTER = '192.0.2.1'
const SELF = '192.0.2.200'

/** Some share a group, so that members of one group are at different places of its ring. */
const PEERS: Partial<PeerTraits>[] = [
  {},
  { fourOctetAs: false },
  {},
  {},
  { kind: 'ibgp', remoteAs: 64999 },
  { kind: 'ibgp', remoteAs: 64999, nextHop: 'self' },
  { kind: 'ibgp', remoteAs: 64999, reflectorClient: true },
  { kind: 'ibgp', remoteAs: 64999, reflectorClient: true },
  { nextHop: 'keep' },
  // With ADD-PATH, both ways or one.
  { pathIds: true, pathIdsSent: true, paths: 'all' },
  { pathIdsSent: true, paths: 'all' },
  { kind: 'ibgp', remoteAs: 64999, reflectorClient: true, pathIds: true, pathIdsSent: true, paths: 'all' },
  { kind: 'ibgp', remoteAs: 64999, reflectorClient: true, pathIds: true, pathIdsSent: true, paths: 'all' },
  { kind: 'ibgp', remoteAs: 64999, pathIds: true, pathIdsSent: true, paths: { best: 2 } },
  { kind: 'ibgp', remoteAs: 64999, pathIds: true },
]

const SELECTIONS: (PathSelection | undefined)[] = ['all', 'ecmp', { best: 1 }, { best: 2 }]

const ATTRIBUTES: Attributes[] = [
  { path: [65000] },
  { path: [65000, 100000] },
  { path: [65000, [1, 2]], communities: ['65535:65281'] },
  { path: [65000], communities: ['65535:65282'] },
  { path: [65002], communities: ['65000:1'], med: 10 }, // no other path through 65002: MED has its own table of cases
  { path: [65001, 7], origin: 'egp', nextHop: '198.51.100.1' },
  { path: [65001], nextHop: '198.51.100.2' },
  { path: [65001], communities: ['65535:0'] },
  { path: [65001, 9], communities: ['65535:666'] },
]

const IMPORT: Policy[] = [
  acceptAll,
  rejectAll,
  {
    name: 'some',
    otherwise: 'accept',
    rules: [{ name: 'low half', when: { prefixes: [{ prefix: '10.0.0.0/22', min: 24, max: 24 }] }, then: 'reject' }],
  },
  {
    name: 'prefer',
    otherwise: 'accept',
    rules: [{ name: 'tagged', when: { communities: ['65000:1'] }, then: 'next', set: { localPref: 300 } }],
  },
]

const EXPORT: Policy[] = [
  acceptAll,
  {
    name: 'odd',
    otherwise: 'reject',
    rules: [{ name: 'high', when: { prefixes: [{ prefix: '10.0.8.0/21', min: 24, max: 24 }] }, then: 'accept' }],
  },
  {
    name: 'tag',
    otherwise: 'accept',
    rules: [{ name: 'all', then: 'next', set: { addCommunities: ['65000:2'], med: 7 } }],
  },
]

// ---- the model ------------------------------------------------------------------------------------------------------

interface ModelPolicies {
  readonly import: Policy
  readonly export: Policy
  readonly gracefulShutdown: boolean
  readonly asOverride: boolean
  readonly paths: PathSelection | undefined
}

interface ModelRoute {
  peer: number
  pathId: number
  a: Attributes
}

class Model {
  readonly up = new Map<number, ModelPolicies>()
  /** By prefix, with a path identifier `2 10.0.0.0/24`. */
  readonly in = new Map<number, Map<string, Attributes>>()
  /** Routes of a peer's table that it has not announced since it was away. */
  readonly stale = new Map<number, Set<string>>()
  own = new Map<string, Attributes>()
  readonly unreachable = new Set<string>()

  sweep(peer: number): void {
    for (const prefix of this.stale.get(peer) ?? []) this.in.get(peer)?.delete(prefix)
    this.stale.delete(peer)
  }

  imported(peer: number, prefix: string, a: Attributes): Attributes | undefined {
    const policy = this.up.get(peer)!.import
    const low = PREFIXES.indexOf(prefix) < 4
    if (policy === IMPORT[1] || (policy === IMPORT[2] && low)) return undefined
    if (!isInternal(peer) && a.communities?.includes('65535:0')) return { ...a, localPref: 0 }
    if (policy === IMPORT[3] && a.communities?.includes('65000:1')) return { ...a, localPref: 300 }
    return a
  }

  /** Usable paths, best first. */
  paths(prefix: string): ModelRoute[] {
    const own = this.own.get(prefix)
    const routes: ModelRoute[] = own ? [{ peer: -1, pathId: 0, a: own }] : []
    for (const [peer, table] of this.in) {
      for (const [key, a] of table) {
        const [name, pathId = '0'] = key.split(' ').toReversed()
        const accepted = name === prefix ? this.imported(peer, prefix, a) : undefined
        if (!accepted || this.unreachable.has(nextHopOf(peer, accepted))) continue
        routes.push({ peer, pathId: Number(pathId), a: accepted })
      }
    }
    return routes.toSorted((x, y) => {
      const [p, q] = [ranks(x), ranks(y)]
      const i = p.findIndex((rank, j) => rank !== q[j])
      return i < 0 ? 0 : p[i] - q[i]
    })
  }

  /** What the peer must have for the prefix, a line for each path. */
  told(to: number, prefix: string): string[] {
    const paths = this.paths(prefix)
    const selection = PEERS[to].pathIdsSent ? this.up.get(to)!.paths : undefined
    const equal = paths.filter(path => ranks(path).slice(0, 5).join() === ranks(paths[0]).slice(0, 5).join())
    const candidates = selection === undefined ? paths.slice(0, 1) : selection === 'ecmp' ? equal : paths
    const wanted = candidates.filter(path => this.line(to, prefix, path) !== undefined)
    const sent = typeof selection === 'object' ? wanted.slice(0, selection.best) : wanted
    return sent.filter(({ peer }) => peer !== to).map(path => this.line(to, prefix, path)!)
  }

  /** How the peer sees a path; undefined: not at all, whoever sent it. */
  line(to: number, prefix: string, { a, peer: from }: ModelRoute): string | undefined {
    const traits = PEERS[to]
    const { export: policy, gracefulShutdown: leaves, asOverride } = this.up.get(to)!
    const external = !isInternal(to)
    if (a.communities?.includes('65535:65282')) return undefined
    if (external && a.communities?.includes('65535:65281')) return undefined
    if (external && from >= 0 && a.communities?.includes('65535:666')) return undefined
    const reflected = from >= 0 && isInternal(from)
    if (reflected && !external && !traits.reflectorClient && !PEERS[from].reflectorClient) return undefined
    if (policy === EXPORT[1] && PREFIXES.indexOf(prefix) < 8) return undefined
    const tagged = policy === EXPORT[2]
    const keep = from < 0 ? a.nextHop !== undefined : !external || traits.nextHop === 'keep'
    const shown = (a.path ?? []).map(part => (external && asOverride && part === 65000 + to ? 64999 : part))
    const path = shown.map(part => (typeof part === 'number' ? `${part}` : `{${part.join(' ')}}`))
    return [
      prefix,
      traits.nextHop !== 'self' && keep ? nextHopOf(from, a) : SELF,
      [...(external ? ['64999'] : []), ...path].join(' '),
      a.origin ?? 'igp',
      `lp ${external ? undefined : leaves ? 0 : (a.localPref ?? 100)}`,
      `med ${tagged ? 7 : external && from >= 0 ? undefined : a.med}`,
      [
        ...new Set([
          ...(a.communities ?? []),
          ...(tagged ? ['65000:2'] : []),
          ...(external && leaves ? ['65535:0'] : []),
        ]),
      ].join(' '),
      `originator ${reflected && !external ? `10.0.0.${from + 1}` : undefined}`,
      `clusters ${reflected && !external ? CLUSTER : ''}`,
    ].join(' | ')
  }
}

/** LOCAL_PREF to router id, which is the peer's, and path identifier; the first five make paths equal. */
const ranks = ({ peer, pathId, a }: ModelRoute) => [
  peer < 0 ? 0 : 1,
  -(a.localPref ?? 100),
  (a.path ?? []).length,
  a.origin === 'egp' ? 1 : 0,
  peer >= 0 && isInternal(peer) ? 1 : 0,
  peer,
  pathId,
]
const isInternal = (peer: number) => PEERS[peer].kind === 'ibgp'
const nextHopOf = (peer: number, a: Attributes) => a.nextHop ?? `192.0.2.${peer + 1}`

function has(receiver: Receiver): string[] {
  return [...receiver.routes.values()]
    .map(v =>
      [
        v.prefix,
        v.nextHop,
        v.asPath,
        v.origin,
        `lp ${v.localPref}`,
        `med ${v.med}`,
        v.communities.join(' '),
        `originator ${v.originatorId}`,
        `clusters ${v.clusterList.join(' ')}`,
      ].join(' | '),
    )
    .toSorted()
}

// ---- histories ------------------------------------------------------------------------------------------------------

const peer = fc.nat(PEERS.length - 1)
const prefixes = fc.uniqueArray(fc.constantFrom(...PREFIXES), { minLength: 1, maxLength: 4 })
const pathId = fc.integer({ min: 0, max: 2 })
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('announce' as const),
      peer,
      prefixes,
      pathId,
      a: fc.nat(ATTRIBUTES.length - 1),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('withdraw' as const), peer, prefixes, pathId }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('up' as const), peer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('down' as const), peer }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('away' as const), peer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('through' as const), peer }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('policy' as const),
      peer,
      in: fc.nat(3),
      out: fc.nat(2),
      gracefulShutdown: fc.boolean(),
      asOverride: fc.boolean(),
      paths: fc.nat(SELECTIONS.length - 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refresh' as const), peer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('own' as const), prefixes, a: fc.nat(1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('next-hop' as const), n: fc.constantFrom(1, 2), up: fc.boolean() }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('work' as const), units: fc.integer({ min: 1, max: 20 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('pull' as const), peer, times: fc.integer({ min: 1, max: 3 }) }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

const OWN: Attributes[] = [{ med: 3 }, { nextHop: '198.51.100.9', communities: ['65000:1'] }]

/** As the peer writes its prefixes. */
function named({ peer, prefixes, pathId }: { peer: number; prefixes: string[]; pathId: number }): string[] {
  return PEERS[peer].pathIds ? prefixes.map(prefix => `${pathId} ${prefix}`) : prefixes
}

function run(history: readonly Step[], limits: object): void {
  const bench = new Bench({ limits })
  const model = new Model()
  const receivers = new Map<number, Receiver>()
  const waiting: (() => void)[] = []
  const up = (n: number) => {
    if (receivers.has(n)) return
    bench.up(n, PEERS[n])
    const { paths } = PEERS[n]
    model.up.set(n, { import: acceptAll, export: acceptAll, gracefulShutdown: false, asOverride: false, paths })
    if (!model.in.has(n)) model.in.set(n, new Map())
    const receiver = bench.receiver(n)
    receiver.hold = done => waiting.push(done)
    receivers.set(n, receiver)
  }
  const down = (n: number) => {
    bench.rib.peerDown(id(n))
    model.up.delete(n)
    model.in.delete(n)
    model.stale.delete(n)
    receivers.delete(n)
  }
  const away = (n: number) => {
    bench.rib.peerAway(id(n))
    model.sweep(n)
    model.stale.set(n, new Set(model.in.get(n)!.keys()))
    receivers.delete(n)
  }
  for (const n of [0, 2, 3, 4, 6, 7, 9, 11, 12]) up(n)
  for (const s of history) {
    if (s.do === 'work') bench.rib.work(s.units)
    else if (s.do === 'own') {
      const { nextHop, med, communities } = OWN[s.a]
      bench.rib.originate(s.prefixes.map(prefix => ({ prefix, nextHop, med, communities })))
      model.own = new Map(s.prefixes.map(prefix => [prefix, OWN[s.a]]))
    } else if (s.do === 'next-hop') {
      const address = `198.51.100.${s.n}`
      bench.rib.setNextHops([{ address, reachable: s.up, metric: 0 }])
      if (s.up) model.unreachable.delete(address)
      else model.unreachable.add(address)
    } else if (s.do === 'up') up(s.peer)
    else if (!model.up.has(s.peer)) continue
    else if (s.do === 'down') down(s.peer)
    else if (s.do === 'policy') {
      const { gracefulShutdown, asOverride } = s
      const paths = SELECTIONS[s.paths]
      const policies = { import: IMPORT[s.in], export: EXPORT[s.out], gracefulShutdown, asOverride, paths }
      bench.rib.setPolicies(id(s.peer), policies)
      model.up.set(s.peer, policies)
    } else if (!receivers.has(s.peer)) continue
    else if (s.do === 'away') away(s.peer)
    else if (s.do === 'through') {
      bench.rib.sweepStale(id(s.peer))
      model.sweep(s.peer)
    } else if (s.do === 'announce') {
      bench.announce(s.peer, named(s), ATTRIBUTES[s.a])
      for (const key of named(s)) {
        model.in.get(s.peer)!.set(key, ATTRIBUTES[s.a])
        model.stale.get(s.peer)?.delete(key)
      }
    } else if (s.do === 'withdraw') {
      bench.withdraw(s.peer, named(s))
      for (const key of named(s)) {
        model.in.get(s.peer)!.delete(key)
        model.stale.get(s.peer)?.delete(key)
      }
    } else if (s.do === 'refresh') bench.rib.refresh(id(s.peer))
    else {
      const receiver = receivers.get(s.peer)!
      for (let i = 0; i < s.times; i++) bench.out.pull(id(s.peer), receiver)
      for (const done of waiting.splice(0, 2)) done()
    }
  }
  for (const done of waiting) done()
  for (const receiver of receivers.values()) receiver.hold = undefined
  bench.settle(receivers)
  for (const [n, receiver] of receivers) {
    const expected = PREFIXES.flatMap(prefix => model.told(n, prefix)).toSorted()
    const actual = has(receiver)
    if (JSON.stringify(actual) !== JSON.stringify(expected)) {
      throw new Error(`peer ${n} has\n  ${actual.join('\n  ')}\nand should have\n  ${expected.join('\n  ')}`)
    }
    if (bench.rib.sent(id(n)) !== expected.length) throw new Error(`sent ${bench.rib.sent(id(n))} to ${n}`)
    if (receiver.endOfRib !== 1) throw new Error(`peer ${n} got ${receiver.endOfRib} End-of-RIB`)
  }
  for (const [n, routes] of model.in) {
    const { all, accepted } = bench.rib.received(id(n))
    const table = [...routes]
    if (all !== table.length) throw new Error(`received ${all} of ${n}, not ${table.length}`)
    const let_in = table.filter(([key, a]) => model.imported(n, key.split(' ').at(-1)!, a)).length
    if (accepted !== let_in) throw new Error(`accepted ${accepted} of ${n}, not ${let_in}`)
    const stale = model.stale.get(n)?.size ?? 0
    if (bench.rib.stale(id(n)) !== stale) throw new Error(`stale ${bench.rib.stale(id(n))} of ${n}, not ${stale}`)
  }
  for (const n of model.in.keys()) down(n)
  bench.rib.originate([])
  bench.settle(new Map())
  const { prefixes: left, paths, attributeSets } = bench.usage()
  if (left + paths + attributeSets !== 0)
    throw new Error(`left: ${left} prefixes, ${paths} paths, ${attributeSets} sets`)
}

for (const [name, limits, numRuns] of [
  ['with room', {}, 60],
  ['with little room, so that members fall behind', { lead: 150, ring: 200, slice: 3 }, 80],
  ['with flush numbers that start again', { lead: 150, ring: 200, slice: 3, flushes: 7 }, 80],
] as const) {
  t.test(`every peer gets what a naive model says, ${name}`, async t => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 150, size: 'max' }), history => run(history, limits)),
      { numRuns, seed: 42, endOnFailure: true },
    )
    t.pass(`${numRuns} histories`)
  })
}

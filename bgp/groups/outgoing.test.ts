import t from 'tap'
import type { PeerTraits } from '../rib/port.ts'
import type { Origination, PathView, Policy } from '../types.ts'
import { asPath, AttributeWalker } from '../wire/attributes.ts'
import { HEADER_LENGTH } from '../wire/header.ts'
import { type Attributes, Bench, type Receiver } from './testing.ts'

const P = '10.0.0.0/24'
const ibgp: Partial<PeerTraits> = { kind: 'ibgp', remoteAs: 64999 }
const client: Partial<PeerTraits> = { ...ibgp, reflectorClient: true }
const med7: Policy = { name: 'med', otherwise: 'accept', rules: [{ name: 'm', then: 'accept', set: { med: 7 } }] }

interface Case {
  name: string
  from?: Partial<PeerTraits>
  route?: Attributes
  own?: Omit<Origination, 'prefix'>
  to?: Partial<PeerTraits>
  /** undefined: not sent. */
  sent: Partial<PathView> | undefined
}

/** What peer 1 gets of a route of peer 0 (or of our own). */
function send({ from, route, own, to }: Case): { view: PathView | undefined; receiver: Receiver; bench: Bench } {
  const bench = new Bench()
  bench.up(0, from)
  bench.up(1, to)
  if (own) bench.rib.originate([{ prefix: P, ...own }])
  else bench.announce(0, [P], route)
  const receiver = bench.receiver(1)
  bench.settle(new Map([[1, receiver]]))
  return { view: receiver.routes.get(P), receiver, bench }
}

const route: Attributes = { path: [65000, 65010], med: 9, communities: ['1:1'] }
const cases: Case[] = [
  {
    name: 'eBGP to eBGP: prepend, next hop self, MED stays',
    route,
    sent: {
      asPath: '64999 65000 65010',
      nextHop: '192.0.2.200',
      med: undefined,
      localPref: undefined,
      communities: ['1:1'],
    },
  },
  { name: 'eBGP to eBGP, next hop kept', route, to: { nextHop: 'keep' }, sent: { nextHop: '192.0.2.1' } },
  {
    name: 'eBGP to iBGP: unchanged next hop, LOCAL_PREF, MED',
    route,
    to: ibgp,
    sent: { asPath: '65000 65010', nextHop: '192.0.2.1', med: 9, localPref: 100 },
  },
  { name: 'eBGP to iBGP, next hop self', route, to: { ...ibgp, nextHop: 'self' }, sent: { nextHop: '192.0.2.200' } },
  { name: 'iBGP to iBGP: not sent', from: ibgp, route, to: ibgp, sent: undefined },
  {
    name: 'iBGP to eBGP: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST stay',
    from: ibgp,
    route: { ...route, localPref: 200, originatorId: '9.9.9.9', clusterList: ['8.8.8.8'] },
    sent: { asPath: '64999 65000 65010', localPref: undefined, originatorId: undefined, clusterList: [] },
  },
  {
    name: 'client to client: reflected, next hop unchanged',
    from: client,
    route: { ...route, localPref: 200 },
    to: client,
    sent: {
      asPath: '65000 65010',
      nextHop: '192.0.2.1',
      localPref: 200,
      med: 9,
      originatorId: '10.0.0.1',
      clusterList: ['192.0.2.1'],
    },
  },
  { name: 'client to non-client: reflected', from: client, route, to: ibgp, sent: { originatorId: '10.0.0.1' } },
  {
    name: 'non-client to client: reflected, ORIGINATOR_ID kept, cluster in front',
    from: ibgp,
    route: { ...route, originatorId: '9.9.9.9', clusterList: ['8.8.8.8'] },
    to: client,
    sent: { originatorId: '9.9.9.9', clusterList: ['192.0.2.1', '8.8.8.8'] },
  },
  {
    name: 'own to eBGP: own MED',
    own: { med: 3, communities: ['1:1'] },
    sent: { asPath: '64999', nextHop: '192.0.2.200', med: 3, origin: 'igp', communities: ['1:1'] },
  },
  {
    name: 'own to iBGP',
    own: { localPref: 50 },
    to: ibgp,
    sent: { asPath: '', nextHop: '192.0.2.200', localPref: 50, originatorId: undefined },
  },
  { name: 'own with a next hop', own: { nextHop: '198.51.100.1' }, sent: { nextHop: '198.51.100.1' } },
  {
    name: 'own with a next hop, next hop self',
    own: { nextHop: '198.51.100.1' },
    to: { nextHop: 'self' },
    sent: { nextHop: '192.0.2.200' },
  },
  { name: 'NO_EXPORT to eBGP', route: { communities: ['65535:65281'] }, sent: undefined },
  { name: 'NO_EXPORT to iBGP', route: { communities: ['65535:65281'] }, to: ibgp, sent: {} },
  { name: 'NO_ADVERTISE', route: { communities: ['65535:65282'] }, to: ibgp, sent: undefined },
  { name: 'MED set by policy leaves the AS', route, to: { export: med7 }, sent: { med: 7 } },
  {
    name: 'MED of others does not, though policy sets MED elsewhere',
    route,
    to: { export: { ...med7, rules: [{ ...med7.rules[0], when: { communities: ['9:9'] } }] } },
    sent: { med: undefined },
  },
  {
    name: 'policy next hop self to iBGP',
    route,
    to: {
      ...ibgp,
      export: { name: 'n', otherwise: 'accept', rules: [{ name: 'n', then: 'accept', set: { nextHop: 'self' } }] },
    },
    sent: { nextHop: '192.0.2.200' },
  },
  { name: 'another local AS', route, to: { localAs: 4_200_000_000 }, sent: { asPath: '4200000000 65000 65010' } },
  {
    name: '2-octet peer, wide path',
    route: { path: [65000, 100_000, [5, 70_000]] },
    to: { fourOctetAs: false },
    sent: { asPath: '64999 65000 100000 {5 70000}' },
  },
  { name: '2-octet peer, narrow path', route, to: { fourOctetAs: false }, sent: { asPath: '64999 65000 65010' } },
  {
    name: '2-octet iBGP peer',
    route: { path: [100_000] },
    to: { ...ibgp, fourOctetAs: false },
    sent: { asPath: '100000', localPref: 100 },
  },
]

for (const c of cases) {
  t.test(c.name, async t => {
    const { view, bench } = send(c)
    if (!c.sent) t.equal(view, undefined)
    else t.match(view, c.sent)
    const [shown] = bench.rib.walk('out', 1 as never, 0 as never, 10).rows
    if (!c.sent) t.equal(shown, undefined)
    else t.match(shown, { ...c.sent, peer: c.own ? 'local' : 'peer-0' }, 'and is shown as sent')
    t.equal(bench.rib.sent(1 as never), c.sent ? 1 : 0)
  })
}

t.test('a leading sequence of 255 AS numbers gets a new segment in front', async t => {
  const long = Array.from({ length: 255 }, (_, i) => i + 1)
  const { receiver } = send({ name: '', route: { path: long }, sent: {} })
  t.equal(receiver.routes.get(P)?.asPath, `64999 ${long.join(' ')}`)
  const walker = new AttributeWalker()
  const [octets] = receiver.chunks
  walker.reset(octets, HEADER_LENGTH + 4, octets.length).find(asPath.code)
  t.same([octets[walker.from], octets[walker.from + 1]], [2, 1])
})

t.test('a route whose attributes outgrow a message is withdrawn rather than sent broken', async t => {
  const bench = new Bench()
  bench.up(0)
  bench.up(1)
  const receiver = bench.receiver(1)
  bench.announce(0, [P], { path: [65000] })
  bench.settle(new Map([[1, receiver]]))
  t.ok(receiver.routes.has(P))
  const communities = Array.from({ length: 1015 }, (_, i) => `1:${i}`)
  bench.announce(0, [P], { path: [65000], communities })
  bench.settle(new Map([[1, receiver]]))
  t.notOk(receiver.routes.has(P))
  bench.announce(0, [P], { path: [65000], communities: communities.slice(0, 1000) })
  bench.settle(new Map([[1, receiver]]))
  t.equal(receiver.routes.get(P)?.communities.length, 1000)
})

t.test('IPv6: MP_REACH, and a link-local next hop is not passed on', async t => {
  const bench = new Bench({ family: 'ipv6-unicast' })
  bench.up(0)
  bench.up(1, { nextHop: 'keep' })
  bench.up(2)
  const receivers = new Map([1, 2].map(n => [n, bench.receiver(n)] as const))
  bench.announce(0, ['2001:db8:1::/48', '::/0'], { path: [65000] })
  bench.settle(receivers)
  t.match(receivers.get(1)?.routes.get('::/0'), { nextHop: '2001:db8::1', asPath: '64999 65000' })
  t.match(receivers.get(2)?.routes.get('2001:db8:1::/48'), { nextHop: '2001:db8::ff' })
  bench.withdraw(0, ['::/0'])
  bench.settle(receivers)
  t.same([...(receivers.get(1)?.routes.keys() ?? [])], ['2001:db8:1::/48'])
  t.equal(receivers.get(1)?.endOfRib, 1)
})

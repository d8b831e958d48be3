// ADD-PATH (RFC 7911) with a real FRR, both ways: two routers announce one prefix to us and to FRR, and each of the two shows
// the other both of its paths.

import t from 'tap'
import { BgpPair, BIRDS as FRRS, OURS, within } from './kit/bgp-pair.ts'
import { Frr } from './kit/frr.ts'

const P = '10.3.0.0/24'
const SOURCES = [
  { address: '10.99.0.13', asn: 65003 },
  { address: '10.99.0.14', asn: 65004 },
]

const bgpd = `
router bgp 65001
 bgp router-id ${FRRS.ipv4}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor ${OURS.ipv4} remote-as 65001
 neighbor ${OURS.ipv4} timers connect 1
${SOURCES.map(({ address, asn }) => ` neighbor ${address} remote-as ${asn}\n neighbor ${address} passive\n`).join('')}
 address-family ipv4 unicast
  neighbor ${OURS.ipv4} addpath-tx-all-paths
 exit-address-family
`

t.test('FRR takes all of our paths and sends all of its own', async t => {
  const pair = BgpPair.make(t)
  for (const { address } of SOURCES) pair.addAddress('ours', address)
  const frr = await Frr.start(t, pair.otherNetns, bgpd)
  const addPath = { 'ipv4-unicast': { receive: true, send: 'all' } } as const
  const node = { address: FRRS.ipv4, remoteAs: 65001, reflectorClient: true, connectRetry: 1, addPath }
  const sources = SOURCES.map(({ address, asn }) => [address, { address, remoteAs: asn, passive: true }])
  const peers = { node, ...Object.fromEntries(sources) }
  const hub = await pair.startSpeaker({ asn: 65001, routerId: OURS.ipv4, peers })
  for (const { address: localAddress, asn } of SOURCES) {
    const to = (address: string) => ({ address, remoteAs: 65001, localAddress, connectRetry: 1 })
    const both = { hub: to(OURS.ipv4), frr: to(FRRS.ipv4) }
    const source = await pair.startSpeaker({ asn, routerId: localAddress, listenPort: 0, peers: both })
    await source.call({ call: 'originate', prefixes: [P] })
  }
  const atFrr = async () => {
    const text = await frr.vtysh(`show bgp ipv4 unicast ${P} json`)
    return ((JSON.parse(text || '{}') as { paths?: { peer: { peerId: string } }[] }).paths ?? []).map(
      ({ peer }) => peer.peerId,
    )
  }
  const here = async () => (await hub.paths('ipv4-unicast', P)).map(view => `${view.peer} ${view.nextHop}`)
  const [one, two] = SOURCES.map(({ address }) => address)
  const ofFrr = async () => (await here()).filter(text => text.startsWith('node')).toSorted()
  t.ok(await within(40, async () => (await ofFrr()).length === 2 && (await atFrr()).length === 4), 'all are there')
  t.same(await ofFrr(), [`node ${one}`, `node ${two}`], 'FRR shows us both of its paths')
  t.same((await atFrr()).toSorted(), [OURS.ipv4, OURS.ipv4, one, two].toSorted(), 'and has both of ours')
  const { peers: status } = await hub.state()
  t.match(
    status.find(peer => peer.name === 'node'),
    { addPath: { receive: ['ipv4-unicast'], send: ['ipv4-unicast'] }, prefixesReceived: 2, prefixesSent: 2, flaps: 0 },
  )
  await frr.vtysh('configure terminal', 'router bgp 65001', `no neighbor ${two}`)
  t.ok(await within(15, async () => (await ofFrr()).join() === `node ${one}`), 'FRR withdraws one of two')
  await hub.call({
    call: 'configure',
    config: { asn: 65001, routerId: OURS.ipv4, peers: { node: peers.node, [one]: peers[one] } },
  })
  t.ok(
    await within(15, async () => (await atFrr()).toSorted().join() === [OURS.ipv4, one].toSorted().join()),
    'so do we',
  )
})

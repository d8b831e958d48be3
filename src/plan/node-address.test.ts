import t from 'tap'
import type { AddressFact, Facts, ForeignRoute } from '../model/facts.ts'
import { type AddressMethod, parseAddressMethod } from './address-method.ts'
import { peersOf, selectAddress } from './node-address.ts'
import { node, peer, twoRacks } from './testing.ts'

function method(text: string, family: 4 | 6 = 4): AddressMethod {
  const parsed = parseAddressMethod(text, family)
  if (!parsed.ok) throw new Error(parsed.reason)
  return parsed.method
}

const names = ['lo', 'docker0', 'eth0', 'eth1', 'bond0', 'margay-vxlan4']
const links = names.map((name, i) => ({ index: i + 1, name, up: true, carrier: true, mtu: 1500 }))
const addresses: readonly AddressFact[] = [
  { link: 'bond0', cidr: '172.16.0.7/24' },
  { link: 'docker0', cidr: '172.17.0.1/16' },
  { link: 'eth0', cidr: '10.0.1.7/24' },
  { link: 'eth0', cidr: '10.0.1.8/24', secondary: true },
  { link: 'eth0', cidr: 'fe80::7/64' },
  { link: 'eth0', cidr: 'fd00:1::7/64' },
  { link: 'eth1', cidr: '10.0.2.7/24' },
  { link: 'lo', cidr: '127.0.0.1/8' },
  { link: 'lo', cidr: '10.255.0.7/32' },
  { link: 'margay-vxlan4', cidr: '10.42.0.0/32' },
]
const route = (prefix: string, rest: Partial<ForeignRoute>): ForeignRoute => ({
  prefix,
  protocol: 3,
  metric: 0,
  connected: false,
  ...rest,
})
const foreignRoutes = [
  route('0.0.0.0/0', { gateway: '10.0.1.1', device: 'eth0', metric: 100 }),
  route('0.0.0.0/0', { gateway: '10.0.2.1', device: 'eth1', metric: 200 }),
  route('172.16.0.0/24', { device: 'bond0', source: '172.16.0.7', connected: true }),
  route('10.9.0.0/16', { gateway: '10.0.2.1', device: 'eth1' }),
  route('10.8.0.0/16', { gateway: '10.0.2.1', device: 'eth1', source: '10.255.0.7' }),
  route('10.7.0.0/16', {}),
]
const facts: Facts = { links, addresses, foreignRoutes }

t.test('what each method finds', async t => {
  for (const [text, cidr] of [
    ['first-found', '10.0.1.7/24'],
    ['skip-interface=eth0', '10.0.2.7/24'],
    ['skip-interface=eth.*', '172.16.0.7/24'],
    ['interface=eth1', '10.0.2.7/24'],
    ['interface=ens.*,bond.*', '172.16.0.7/24'],
    ['interface=lo', '10.255.0.7/32'],
    ['interface=docker0', '172.17.0.1/16'],
    ['cidr=192.168.0.0/16,10.0.2.0/24', '10.0.2.7/24'],
    ['can-reach=8.8.8.8', '10.0.1.7/24'],
    ['can-reach=10.9.1.1', '10.0.2.7/24'],
    ['can-reach=10.8.1.1', '10.255.0.7/32'],
    ['can-reach=172.16.0.1', '172.16.0.7/24'],
  ] as const)
    t.same(selectAddress({ family: 4, method: method(text), facts, peers: [] }), { ok: true, cidr, kept: false }, text)
  t.match(selectAddress({ family: 6, method: method('first-found', 6), facts, peers: [] }), { cidr: 'fd00:1::7/64' })
})

t.test('several, or none: refused, with the candidates', async t => {
  for (const [text, reason, candidates] of [
    ['interface=eth.*', /several/, ['10.0.1.7/24', '10.0.2.7/24']],
    ['cidr=10.0.0.0/16', /several/, ['10.0.1.7/24', '10.0.2.7/24']],
    ['interface=wlan0', /no such link/, 8],
    ['cidr=192.168.0.0/16', /no link/, 8],
    ['route-to-peers', /no peers/, 8],
  ] as const) {
    const found = selectAddress({ family: 4, method: method(text), facts, peers: [] })
    t.match(found, { ok: false, reason }, text)
    if (found.ok) continue
    if (typeof candidates !== 'number')
      t.same(
        found.candidates.map(({ cidr }) => cidr),
        candidates,
        text,
      )
    else t.ok(found.candidates.length > 1, 'all of them are listed')
    t.notOk(
      found.candidates.some(({ cidr }) => /^127|^10\.42/.test(cidr)),
      'but for those of nobody',
    )
  }
})

t.test('the way to the peers decides: routers first, other nodes where there are none', async t => {
  const snapshot = {
    ...twoRacks,
    bgpPeers: [
      peer('tor', { peerIP: '10.9.0.1', asNumber: 65001 }),
      peer('six', { peerIP: 'fd00:1::1', asNumber: 65001 }),
    ],
  }
  const search = (peers: typeof snapshot) =>
    selectAddress({ family: 4, method: method('route-to-peers'), facts, peers: peersOf('r1-n1', peers, 4) })
  t.match(search(snapshot), { ok: true, cidr: '10.0.2.7/24' })
  t.match(search({ ...snapshot, bgpPeers: [] }), { ok: true, cidr: '10.0.1.7/24' }, 'by the default route')
  const two = [...snapshot.bgpPeers, peer('other', { peerIP: '172.16.0.1', asNumber: 65001 })]
  t.match(search({ ...snapshot, bgpPeers: two }), { ok: false, reason: /several/ })
  const elsewhere = [peer('rack', { peerIP: '172.16.0.1', asNumber: 65001, nodeSelector: "rack == 'r9'" })]
  t.match(search({ ...snapshot, bgpPeers: elsewhere }), { cidr: '10.0.1.7/24' }, 'a peer of other nodes does not count')
  t.match(search({ ...snapshot, bgpPeers: [], nodes: [node('r1-n1', {})] }), { reason: /no peers/ })
})

t.test('what the Node has stays while it is there', async t => {
  const search = (text: string, own: string, now: Facts = facts) =>
    selectAddress({ family: 4, method: method(text), facts: now, own, peers: [] })
  t.same(search('first-found', '10.0.2.7/24'), { ok: true, cidr: '10.0.2.7/24', kept: true }, 'though another is first')
  t.match(search('first-found', '10.0.2.7/16'), { cidr: '10.0.2.7/16', kept: true }, 'the operator knows its subnet')
  t.match(search('interface=eth.*', '10.0.1.7/24'), { kept: true }, 'and nothing is ambiguous')
  t.match(search('first-found', '10.0.1.8/24'), { kept: true }, 'also as a secondary address')
  t.match(search('can-reach=10.9.1.1', '10.0.1.7/24'), { kept: true }, 'though the route leads elsewhere now')
  t.match(
    search('cidr=10.0.2.0/24', '10.0.1.7/24'),
    { cidr: '10.0.2.7/24', kept: false },
    'not where the method excludes it',
  )
  const down = { ...facts, links: links.map(link => ({ ...link, up: link.name !== 'eth1' })) }
  t.match(search('first-found', '10.0.2.7/24', down), { kept: true }, 'over a link that is set down')
  const gone = { ...facts, addresses: addresses.filter(({ cidr }) => cidr !== '10.0.2.7/24') }
  t.match(search('first-found', '10.0.2.7/24', gone), { cidr: '10.0.1.7/24', kept: false }, 'not when it is gone')
})

t.test('a method that cannot be read says why', async t => {
  for (const [text, reason] of [
    ['kubernetes-internal-ip', /It takes first-found/],
    ['interface', /wants a value/],
    ['interface=eth(', /eth\( is no regular expression/],
    ['cidr=10.0.0.0/8,fd00::/8', /fd00::\/8 is no IPv4 network/],
    ['can-reach=tor.example', /no IPv4 address/],
    ['first-found=eth0', /takes no value/],
  ] as const)
    t.match(parseAddressMethod(text, 4), { ok: false, reason }, text)
})

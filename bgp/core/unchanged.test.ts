// The same configuration twice does nothing, whatever it says and however it is written down.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import { acceptAll, type PeerConfig, type Policy, type SpeakerConfig } from '../types.ts'
import { Puppet } from './test-puppet.ts'

const [A, B, C, D] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']

const tagged: Policy = {
  name: 'tagged',
  rules: [
    {
      name: 'all',
      when: { prefixes: [{ prefix: '10.0.0.0/8', max: 24 }], source: ['ebgp'], asPath: '.*' },
      then: 'nextPolicy',
      set: { addCommunities: ['65001:1'], prepend: { asn: 65001, count: 1 } },
    },
  ],
  otherwise: 'nextPolicy',
}

const limit = { limit: 1000, warnAt: 900, action: 'restart', restartAfter: 60 } as const

/** Every option of a peer, as far as they go together, but for those that need a transport with socket options. */
const outside: Omit<PeerConfig, 'address' | 'remoteAs'> = {
  port: 179,
  localAddress: A,
  localAs: 555,
  localAsMode: 'no-prepend',
  allowAsIn: 1,
  asOverride: true,
  removePrivateAs: 'remove',
  enforceFirstAs: false,
  role: 'provider',
  strictRole: false,
  gracefulShutdown: false,
  sendBlackhole: true,
  passive: false,
  holdTime: 30,
  connectRetry: 3,
  families: ['ipv4-unicast', 'ipv6-unicast'],
  import: [tagged, acceptAll],
  export: [tagged, acceptAll],
  nextHop: 'self',
  nextHopSelf: { 'ipv6-unicast': 'fd00::1' },
  multihop: true,
  gracefulRestartHelper: true,
  sendHoldTime: 100,
  maxPrefixes: { 'ipv4-unicast': limit, 'ipv6-unicast': { limit: 5, action: 'warn' } },
  maxPrefixesOut: { 'ipv4-unicast': { limit: 7, action: 'reject' }, 'ipv6-unicast': limit },
  maxAsPathLength: 50,
  maxCommunities: 20,
  description: 'all of it',
}

const whole: SpeakerConfig = {
  asn: 65001,
  routerId: A,
  clusterId: '9.9.9.9',
  clientToClient: false,
  listenPort: 179,
  listenAddresses: [A],
  gracefulRestart: { restartTime: 60 },
  confederation: { identifier: 100, members: [65001, 65002] },
  decision: { alwaysCompareMed: true, missingMed: 'highest', preferOldest: true, multipath: 'equal' },
  gracefulShutdown: false,
  peers: new Map<string, PeerConfig>([
    ['outside', { address: B, remoteAs: 300, ...outside }],
    ['member', { address: C, remoteAs: 65002, addPath: { 'ipv4-unicast': { receive: true, send: { best: 2 } } } }],
    ['inside', { address: D, remoteAs: 'internal', reflectorClient: true, nextHop: 'keep', sendLongLived: true }],
  ]),
  dynamic: [
    {
      name: 'range',
      prefix: '10.9.0.0/16',
      limit: 5,
      template: { remoteAs: 'external', import: [tagged, acceptAll], export: acceptAll },
    },
  ],
}

/** The same with every object written down in the opposite order. */
function reversed(value: unknown): unknown {
  if (value instanceof Map) return new Map([...value].toReversed().map(([key, inner]) => [key, reversed(inner)]))
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, inner]) => [key, reversed(inner)]),
  )
}

t.test('the same again, also in another order', async t => {
  const net = new Simulation(1)
  const a = net.add(whole, A)
  const puppets = [
    [B, 300],
    [C, 65002],
    [D, 65001],
  ].map(([address, asn], i) => {
    const open = { asn: Number(asn), routerId: 20 + i, holdTime: 3600 }
    return new Puppet(net, String(address), { open }).listen()
  })
  a.originate('10.1.0.0/24', '10.2.0.0/24')
  net.run(20)
  t.same(
    a.engine.status().map(peer => peer.state),
    ['Established', 'Established', 'Established'],
  )
  const seen = () => [a.reports.length, a.engine.rib('ipv4-unicast').pending]
  const kept = () => puppets.map(one => one.received.filter(message => message[18] !== 4).length)
  const [before, messages] = [seen(), kept()]
  for (const again of [whole, structuredClone(whole), reversed(whole) as SpeakerConfig]) {
    const actions = a.driver.with(engine => {
      t.same(engine.configure(again), [])
      return engine.actions()
    })
    t.same(actions, [], 'nothing is asked of the shell')
    net.run(5)
    t.same(kept(), messages, 'no message but keepalives')
    t.same(seen(), before, 'no report, no work')
  }
  t.same(
    a.engine.status().map(peer => peer.flaps),
    [0, 0, 0],
  )
})

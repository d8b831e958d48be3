import t from 'tap'
import type { PeerConfig } from '../../bgp/types.ts'
import { plan } from './planner.ts'
import type { Snapshot } from './snapshot.ts'
import { configuration, fullMesh, node, peer, reflectors, twoRacks } from './testing.ts'

function sessions(snapshot: Snapshot, name: string): Record<string, PeerConfig> {
  return Object.fromEntries(plan(snapshot, name).speaker?.peers ?? [])
}

/** `NAME address AS [words]`, one a session. */
function summary(snapshot: Snapshot, name: string): string[] {
  return Object.entries(sessions(snapshot, name)).map(([key, p]) =>
    [key, p.address, p.remoteAs, p.passive && 'passive', p.reflectorClient && 'client', p.multihop && 'multihop']
      .filter(Boolean)
      .join(' '),
  )
}

t.test('the ready topologies', async t => {
  for (const [name, snapshot, who, want] of [
    ['a rack of nodes with an AS each', twoRacks, 'r1-n1', ['tor-r1 10.0.1.1 65001']],
    ['a rack that shares its AS', twoRacks, 'r2-n2', ['tor-r2 10.0.2.1 65002']],
    ['a mesh, first address', fullMesh, 'n1', ['mesh/n2 10.0.0.10 64512', 'mesh/n3 10.0.0.11 64512']],
    [
      'a mesh, between: compared as numbers',
      fullMesh,
      'n2',
      ['mesh/n1 10.0.0.9 64512 passive', 'mesh/n3 10.0.0.11 64512'],
    ],
    ['a mesh, last address', fullMesh, 'n3', ['mesh/n1 10.0.0.9 64512 passive', 'mesh/n2 10.0.0.10 64512 passive']],
    [
      'a reflector: its clients, its sister, the router outside',
      reflectors,
      'rr1',
      [
        'frr 10.0.0.1 64512 client',
        'reflectors/n1 10.0.0.11 64512 client',
        'reflectors/n2 10.0.0.12 64512 client',
        'reflectors/rr2 10.0.0.3 64512',
      ],
    ],
    [
      'a client: both reflectors and nobody else',
      reflectors,
      'n1',
      ['reflectors/rr1 10.0.0.2 64512 passive', 'reflectors/rr2 10.0.0.3 64512 passive'],
    ],
  ] as const)
    t.same(summary(snapshot, who), want, name)
})

t.test('of two nodes exactly one dials', async t => {
  for (const snapshot of [fullMesh, reflectors]) {
    const dials = snapshot.nodes.flatMap(({ metadata }) =>
      Object.entries(sessions(snapshot, metadata.name))
        .filter(([key, p]) => key.includes('/') && !p.passive)
        .map(([key]) => [metadata.name, key.split('/')[1]].toSorted().join('-')),
    )
    t.equal(new Set(dials).size, dials.length, 'no pair twice')
    t.equal(dials.length, snapshot === fullMesh ? 3 : 5)
  }
})

t.test('the settings of a session', async t => {
  t.match(sessions(twoRacks, 'r1-n1')['tor-r1'], {
    port: 179,
    localAddress: '10.0.1.11',
    holdTime: 90,
    connectRetry: 5,
    families: ['ipv4-unicast', 'ipv6-unicast'],
    nextHop: 'auto',
    nextHopSelf: { 'ipv6-unicast': 'fd00:0:1::11' },
    passive: false,
    reflectorClient: false,
    multihop: false,
  })
  const tuned = {
    ...twoRacks,
    bgpConfigurations: [configuration({ nodeToNodeMeshEnabled: false, listenPort: 1790, holdTime: 30 })],
    bgpPeers: [
      peer('far', {
        peerIP: '[fd00:99::1]:1179',
        asNumber: 65100,
        nextHopMode: 'Self',
        sourceAddress: 'None',
        connectRetryTime: 7,
        description: 'route server',
        password: { file: '/etc/margay/far.key' },
        ttlSecurity: 3,
        maxPrefixes: { limit: 1000, action: 'Reject', restartAfter: 300 },
      }),
      peer('pairs', { node: 'r1-n1', peerSelector: "rack == 'r2'", holdTime: 9, passive: true }),
    ],
  }
  t.match(sessions(tuned, 'r1-n1'), {
    far: {
      address: 'fd00:99::1',
      port: 1179,
      localAddress: undefined,
      connectRetry: 7,
      holdTime: 30,
      nextHop: 'self',
      multihop: true,
      nextHopSelf: { 'ipv4-unicast': '10.0.1.11' },
      description: 'route server',
      ttlSecurity: 3,
      maxPrefixes: {
        'ipv4-unicast': { limit: 1000, action: 'reject' },
        'ipv6-unicast': { limit: 1000, action: 'reject' },
      },
    },
    'pairs/r2-n1': { port: 1790, holdTime: 9, passive: true, description: 'node r2-n1' },
  })
  const intent = plan(tuned, 'r1-n1')
  t.same(intent.secrets, new Map([['far', { file: '/etc/margay/far.key' }]]), 'where the key is, for the daemon')
  t.notMatch(JSON.stringify([...(intent.speaker?.peers ?? [])]), 'far.key')
  t.match(
    sessions(tuned, 'r2-n1')['pairs/r1-n1'],
    { holdTime: 9, passive: false, remoteAs: 65011 },
    'the reverse side dials',
  )
  t.same(plan(tuned, 'r1-n1').speaker?.listenPort, 1790)
})

t.test('who peers with whom', async t => {
  const asked = (...bgpPeers: Snapshot['bgpPeers']): Snapshot => ({ ...fullMesh, bgpPeers })
  const dual = [
    node('a', { ipv6Address: 'fd00::a/64' }),
    node('b', { ipv4Address: '10.0.0.2/24', ipv6Address: 'fd00::b/64' }),
  ]
  for (const [name, snapshot, who, want] of [
    [
      'a BGPPeer beats the mesh at one address',
      asked(peer('x', { node: 'n1', peerIP: '10.0.0.10', asNumber: 64512 })),
      'n1',
      ['x 10.0.0.10 64512', 'mesh/n3 10.0.0.11 64512'],
    ],
    [
      'of two BGPPeers at one address the first by name',
      asked(
        peer('b', { peerIP: '10.0.0.1', asNumber: 1 }),
        peer('a', { peerIP: '10.0.0.1', asNumber: 1, description: 'this' }),
      ),
      'n1',
      ['a 10.0.0.1 1', 'mesh/n2 10.0.0.10 64512', 'mesh/n3 10.0.0.11 64512'],
    ],
    [
      'a peer of another node',
      asked(peer('x', { node: 'n2', peerIP: '10.0.0.1', asNumber: 1 })),
      'n3',
      ['mesh/n1 10.0.0.9 64512 passive', 'mesh/n2 10.0.0.10 64512 passive'],
    ],
    ['nodes with only IPv6 in common meet there', { ...fullMesh, nodes: dual }, 'b', ['mesh/a fd00::a 64512 passive']],
    [
      'a reflector takes no part in the mesh',
      {
        ...fullMesh,
        nodes: [...fullMesh.nodes, node('rr', { ipv4Address: '10.0.0.2/24', routeReflectorClusterID: '1.1.1.1' })],
      },
      'rr',
      [],
    ],
    [
      'a node of another AS meets the mesh by eBGP',
      { ...fullMesh, nodes: [...fullMesh.nodes, node('z', { ipv4Address: '10.9.0.2/24', asNumber: 65009 })] },
      'z',
      [
        'mesh/n1 10.0.0.9 64512 passive multihop',
        'mesh/n2 10.0.0.10 64512 passive multihop',
        'mesh/n3 10.0.0.11 64512 passive multihop',
      ],
    ],
    [
      'reflectors of different clusters are clients of each other',
      {
        ...reflectors,
        nodes: [
          ...reflectors.nodes.slice(0, 1),
          node('rr3', { ipv4Address: '10.0.0.4/24', routeReflectorClusterID: '224.0.0.2' }, { role: 'rr' }),
        ],
      },
      'rr3',
      ['frr 10.0.0.1 64512 client', 'reflectors/rr1 10.0.0.2 64512 passive client'],
    ],
  ] as const)
    t.same(summary(snapshot, who), want, name)
})

t.test('what cannot be done is said in a sentence', async t => {
  const lone = (bgp: Parameters<typeof node>[1]): Snapshot => ({ ...fullMesh, nodes: [node('n1', bgp)] })
  const asked = (spec: Parameters<typeof peer>[1]): Snapshot => ({ ...fullMesh, bgpPeers: [peer('x', spec)] })
  for (const [snapshot, who, want] of [
    [fullMesh, 'ghost', /node "ghost": there is no Node of that name/],
    [lone(undefined), 'n1', /node "n1": it has no bgp section/],
    [lone({ asNumber: 65000 }), 'n1', /node "n1": it has no address/],
    [asked({ peerSelector: "role == 'rr'" }), 'n1', /bgppeer "x": peerSelector role == 'rr' selects no node/],
    [
      asked({ nodeSelector: "rack == 'r9'", peerIP: '10.0.0.1', asNumber: 1 }),
      'n1',
      /bgppeer "x": nodeSelector rack == 'r9' is no node/,
    ],
    [asked({ node: 'n9', peerIP: '10.0.0.1', asNumber: 1 }), 'n1', /bgppeer "x": node "n9" is no node/],
    [
      asked({ peerIP: '10.0.0.9', asNumber: 64512 }),
      'n1',
      /bgppeer "x": peerIP 10\.0\.0\.9 is the address of node "n1" itself/,
    ],
    [
      asked({ peerIP: '10.0.0.10', asNumber: 65000 }),
      'n1',
      /bgppeer "x": asNumber is 65000, but node "n2" at 10\.0\.0\.10 has AS 64512/,
    ],
    [
      asked({ peerIP: 'fd00::1', asNumber: 65000 }),
      'n1',
      /bgppeer "x": node "n1" has no IPv6 address to reach fd00::1 from/,
    ],
    [
      {
        ...fullMesh,
        bgpPeers: [peer('a', { peerIP: '10.0.0.1', asNumber: 1 }), peer('b', { peerIP: '10.0.0.1', asNumber: 2 })],
      },
      'n1',
      /"a" and "b" name different ASes \(1, 2\) for 10\.0\.0\.1; 1 is used/,
    ],
    [
      { ...fullMesh, nodes: [...fullMesh.nodes, node('twin', { ipv4Address: '10.0.0.9/24' })] },
      'n1',
      /node "twin" has the same address 10\.0\.0\.9/,
    ],
    [
      { ...fullMesh, nodes: [...fullMesh.nodes, node('six', { ipv6Address: 'fd00::6/64' })] },
      'n1',
      /no address family with node "six"/,
    ],
    [{ ...twoRacks, bgpPeers: [] }, 'r1-n1', /node "r1-n1": it has no BGP peer/],
  ] as const)
    t.match(plan(snapshot, who).problems.join('\n'), want)
  for (const [snapshot, who] of [
    [twoRacks, 'r1-n1'],
    [fullMesh, 'n2'],
    [reflectors, 'rr1'],
    [reflectors, 'n2'],
  ] as const)
    t.same(plan(snapshot, who).problems, [], who)
})

import t from 'tap'
import {
  type AnyResource,
  formatProblem,
  parseResource,
  parseResources,
  validateAgainst,
  validateAll,
  whatFits,
} from './index.ts'

const read = (kind: string, name: string, spec: object): AnyResource => {
  const text = JSON.stringify({ apiVersion: 'margay.io/v1', kind, metadata: { name }, spec })
  const { resources, problems } = parseResources(text, 'x.json')
  if (problems.length > 0) throw new Error(problems.map(formatProblem).join('\n'))
  return resources[0]
}
const pool = (name: string, cidr: string, more: object = {}) => read('IPPool', name, { cidr, ...more })
const node = (name: string, ipv4Address: string, more: object = {}) =>
  read('Node', name, { bgp: { ipv4Address, ...more } })
const peer = (name: string, spec: object) => read('BGPPeer', name, spec)

const existing = [
  pool('default', '10.42.0.0/15'),
  pool('six', 'fd00:42::/48'),
  node('n1', '10.0.1.11/24'),
  node('n2', '10.0.1.12/24', { asNumber: 65002, ipv6Address: 'fd00:1::12/64' }),
  peer('tor', { nodeSelector: "rack == 'r1'", peerIP: '10.0.1.1', asNumber: 65101 }),
  read('BGPConfiguration', 'default', { asNumber: 64999 }),
]

t.test('what does not fit the others is told', async t => {
  for (const [resource, expected] of [
    [
      pool('rack-2', '10.42.0.0/16'),
      `ippool "rack-2": cidr 10.42.0.0/16 overlaps pool "default" (10.42.0.0/15).
  Pools must not overlap, or one address could belong to two pods.
  Choose another range, or delete "default" first: margayctl ipam show tells what is in use.`,
    ],
    [
      pool('default', '10.42.0.0/16', { blockSize: 28 }),
      `ippool "default": cidr 10.42.0.0/16 is another than before (10.42.0.0/15).
  Nodes own blocks of the pool as it is.
  Disable this pool (disabled: true) and make a second one, or write 10.42.0.0/15.
ippool "default": blockSize 28 is another than before (26).
  Nodes own blocks of the pool as it is.
  Disable this pool (disabled: true) and make a second one, or write 26.`,
    ],
    [
      pool('hosts', '10.0.1.0/28'),
      `ippool "hosts": cidr 10.0.1.0/28 holds the address of node "n1" (10.0.1.11).
  An address of a pool may be given to a pod at any time.
  Choose a range apart from the nodes' own subnets.
ippool "hosts": cidr 10.0.1.0/28 holds the address of node "n2" (10.0.1.12).
  An address of a pool may be given to a pod at any time.
  Choose a range apart from the nodes' own subnets.`,
    ],
    [
      node('n3', '10.0.1.11/16'),
      `node "n3": bgp.ipv4Address 10.0.1.11 is the address of node "n1".
  Sessions and next hops tell nodes apart by their addresses.
  Write this node's own address, or delete node "n1" if it is gone.`,
    ],
    [
      node('n3', '10.43.0.1/16'),
      `node "n3": bgp.ipv4Address 10.43.0.1/16 lies in pool "default" (10.42.0.0/15).
  An address of a pool may be given to a pod at any time.
  Choose an address outside the pools.`,
    ],
    [
      peer('self', { node: 'n1', peerIP: '10.0.1.11', asNumber: 64999 }),
      `bgppeer "self": peerIP 10.0.1.11 is the address of node "n1" itself.
  A node has no session with itself.
  Write the router's address, or another node.`,
    ],
    [
      peer('wrong-as', { node: 'n1', peerIP: '10.0.1.12', asNumber: 65003 }),
      `bgppeer "wrong-as": asNumber 65003 is not that of node "n2" at 10.0.1.12 (65002).
  A session opens only if both ends name the same numbers.
  Write 65002, or change the AS of the node.`,
    ],
    [
      peer('to-default-as', { node: 'n2', peerIP: '10.0.1.11:1790', asNumber: 64512 }),
      `bgppeer "to-default-as": asNumber 64512 is not that of node "n1" at 10.0.1.11:1790 (64999).
  A session opens only if both ends name the same numbers.
  Write 64999, or change the AS of the node.`,
    ],
    [
      peer('tor-again', { nodeSelector: "rack == 'r1'", peerIP: '10.0.1.1', asNumber: 65102 }),
      `bgppeer "tor-again": peerIP 10.0.1.1 is already the peer of the same nodes in bgppeer "tor".
  A session is set up by one object.
  Change "tor" instead, or delete it first, or select other nodes.`,
    ],
  ] as const)
    t.equal(validateAgainst(existing, resource).map(formatProblem).join('\n'), expected)
})

t.test('what fits is left alone', async t => {
  for (const resource of [
    ...existing,
    pool('default', '10.42.0.0/15', { disabled: true }),
    pool('next', '10.44.0.0/16'),
    node('n1', '10.0.1.21/24'),
    node('n3', '10.0.1.13/24'),
    peer('tor2', { nodeSelector: "rack == 'r2'", peerIP: '10.0.1.1', asNumber: 65101 }),
    peer('mate', { node: 'n1', peerIP: '10.0.1.12', asNumber: 65002 }),
    read('BGPConfiguration', 'default', { asNumber: 65000 }),
  ])
    t.same(validateAgainst(existing, resource), [], `${resource.kind} ${resource.metadata.name}`)
})

t.test('what is written together is looked at together, in any order', async t => {
  const together = [
    peer('mate', { node: 'n2', peerIP: '10.0.1.11', asNumber: 65000 }),
    read('BGPConfiguration', 'default', { asNumber: 65000 }),
    pool('a', '10.50.0.0/16'),
    pool('b', '10.50.1.0/24'),
  ]
  for (const written of [together, together.toReversed()])
    t.same(
      validateAll(existing, written)
        .map(({ resource, problem }) => `${resource.metadata.name}: ${problem.what}`)
        .toSorted(),
      [
        'a: cidr 10.50.0.0/16 overlaps pool "b" (10.50.1.0/24)',
        'b: cidr 10.50.1.0/24 overlaps pool "a" (10.50.0.0/16)',
      ],
    )
})

t.test('two objects for one router are refused where a node is selected by both, however they select', async t => {
  const nodeOf = (name: string, rack: string, ipv4Address: string) => {
    const parsed = parseResource({
      apiVersion: 'margay.io/v1',
      kind: 'Node',
      metadata: { name, labels: { rack } },
      spec: { bgp: { ipv4Address } },
    })
    if (!parsed.ok) throw new Error('bad node')
    return parsed.resource
  }
  const nodes = [nodeOf('a1', 'a', '10.9.1.11/24'), nodeOf('b1', 'b', '10.9.2.11/24')]
  const tor = peer('tor-a', { nodeSelector: "rack == 'a'", peerIP: '10.9.1.1', asNumber: 64601 })
  for (const [selection, refused] of [
    [{}, true],
    [{ node: 'a1' }, true],
    [{ nodeSelector: 'has(rack)' }, true],
    [{ node: 'b1' }, false],
    [{ nodeSelector: "rack == 'b'" }, false],
  ] as const) {
    const second = peer('second', { ...selection, peerIP: '10.9.1.1', asNumber: 64999 })
    const problems = validateAgainst([...nodes, tor], second)
    t.equal(problems.length > 0, refused, JSON.stringify(selection))
    if (refused) t.match(problems[0].what, /peerIP 10\.9\.1\.1 is already the peer of node "a1" in bgppeer "tor-a"/)
  }
})

t.test(
  'of objects that do not fit together the first are taken, and a peer knows nodes that come after it',
  async t => {
    const wanted = [
      peer('itself', { node: 'a', peerIP: '10.9.0.1', asNumber: 64512 }),
      pool('over-a', '10.9.0.0/24'),
      node('a', '10.9.0.1/24'),
      node('b', '10.9.0.1/24'),
      node('c', '10.9.0.2/24'),
    ]
    const fits = whatFits([], wanted)
    t.same(
      wanted.map(each => fits.get(each) === undefined),
      [false, false, true, false, true],
    )
    t.match(fits.get(wanted[1])?.what, /holds the address of node "a"/)
  },
)

t.test('thousands of nodes and peers are looked at by what they have in common', async t => {
  const nodes = Array.from({ length: 2_000 }, (_, i) => node(`m${i}`, `10.8.${(i >> 8) + 1}.${i & 255}/16`))
  const peers = nodes.map(({ metadata }, i) =>
    peer(`p${i}`, { node: metadata.name, peerIP: '10.7.0.1', asNumber: 64601 }),
  )
  t.same(validateAll([], [...nodes, ...peers]), [])
  const [twin] = validateAll([...nodes, ...peers], [node('twin', '10.8.4.7/16')])
  t.match(twin.problem.what, /10\.8\.4\.7 is the address of node "m775"/)
})

import * as fc from 'fast-check'
import t from 'tap'
import { formatProblem, formatResource, formatResources, kinds, parseResource, parseResources } from './index.ts'

const problemsOf = (text: string): string => parseResources(text, 'rack2.yaml').problems.map(formatProblem).join('\n')

/** A file with one object. */
const file = (kind: string, spec: string, name = 'x'): string =>
  `apiVersion: margay.io/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n${spec.replaceAll(/^/gm, '  ')}\n`

t.test('defaults are filled in and text is canonical', async t => {
  for (const { kind, spec, name, expected } of [
    {
      kind: 'Node',
      spec: 'bgp: { asNumber: 1.10, ipv4Address: 10.0.1.7/24, ipv6Address: FD00:0:0::7/64, routeReflectorClusterID: 224.0.0.1 }',
      expected: {
        bgp: {
          asNumber: 65546,
          ipv4Address: '10.0.1.7/24',
          ipv6Address: 'fd00::7/64',
          routeReflectorClusterID: '224.0.0.1',
        },
      },
    },
    { kind: 'Node', spec: '{}', expected: {} },
    {
      kind: 'IPPool',
      spec: 'cidr: 10.42.0.0/16',
      expected: {
        cidr: '10.42.0.0/16',
        blockSize: 26,
        nodeSelector: 'all()',
        disabled: false,
        disableBGPExport: false,
        ipipMode: 'Never',
        vxlanMode: 'Never',
        greMode: 'Never',
        fouMode: 'Never',
        gueMode: 'Never',
        wireguardMode: 'Never',
        natOutgoing: false,
      },
    },
    { kind: 'IPPool', spec: 'cidr: FD00:42::/48', expected: { cidr: 'fd00:42::/48', blockSize: 122 } },
    { kind: 'IPPool', spec: 'cidr: 10.42.0.0/28', expected: { blockSize: 28 } },
    {
      kind: 'IPPool',
      spec: 'cidr: 10.42.0.0/16\nnatOutgoing: true\nnatOutgoingExclusions: [172.20.0.0/16]',
      expected: { natOutgoingExclusions: ['172.20.0.0/16'] },
    },
    {
      kind: 'IPPool',
      spec: 'cidr: 10.42.0.0/28\nblockSize: 32\nnodeSelector: ""',
      expected: { blockSize: 32, nodeSelector: 'all()' },
    },
    {
      kind: 'BGPConfiguration',
      name: 'default',
      spec: 'holdTime: 1m30s',
      expected: {
        asNumber: 64512,
        nodeToNodeMeshEnabled: true,
        listenPort: 179,
        holdTime: 90,
        connectRetryTime: 5,
      },
    },
    {
      kind: 'BGPPeer',
      spec: "peerIP: '[FD00::1]:1790'\nasNumber: '4200000000'\nholdTime: 0",
      expected: {
        peerIP: '[fd00::1]:1790',
        asNumber: 4200000000,
        holdTime: 0,
        nextHopMode: 'Auto',
        sourceAddress: 'UseNodeIP',
        passive: false,
        acceptDefaultRoute: false,
      },
    },
    {
      kind: 'BGPPeer',
      spec: 'peerIP: 10.0.1.1\nasNumber: 65001\nttlSecurity: 1\npassword: { env: KEY }\nmaxPrefixes: { limit: 9 }',
      expected: {
        ttlSecurity: 1,
        password: { env: 'KEY' },
        maxPrefixes: { limit: 9, action: 'Restart', restartAfter: 300 },
      },
    },
    { kind: 'BGPPeer', spec: 'peerIP: 10.0.1.1:179\nasNumber: 65001', expected: { peerIP: '10.0.1.1' } },
    {
      kind: 'BGPPeer',
      spec: 'interface: swp*\nremoteAs: External',
      expected: { interface: 'swp*', remoteAs: 'External', asNumber: undefined },
    },
    {
      kind: 'BGPPeer',
      spec: 'peerSelector: has(rr)\nnodeSelector: "!has(rr)"',
      expected: { peerSelector: 'has(rr)', nodeSelector: '!has(rr)' },
    },
  ]) {
    const { resources, problems } = parseResources(file(kind, spec, name), 'x.yaml')
    t.same(problems, [], `${kind}: ${spec}`)
    t.match(resources[0]?.spec, expected)
  }
})

t.test('what Calico exports is taken as it is', async t => {
  const { resources, problems } = parseResources(
    `apiVersion: projectcalico.org/v3
items:
- apiVersion: projectcalico.org/v3
  kind: IPPool
  metadata:
    creationTimestamp: "2024-01-01T00:00:00Z"
    name: default-ipv4-ippool
    resourceVersion: "1170"
    uid: f1c2
  spec:
    allowedUses: [Workload, Tunnel]
    assignmentMode: Automatic
    blockSize: 26
    cidr: 192.168.0.0/16
    ipipMode: Never
    nodeSelector: all()
    vxlanMode: Never
    greMode: Never
    fouMode: Never
    gueMode: Never
    wireguardMode: Never
- apiVersion: projectcalico.org/v3
  kind: BGPPeer
  metadata:
    name: rr
  spec:
    nodeSelector: all()
    peerSelector: route-reflector == 'true'
    keepOriginalNextHop: false
kind: IPPoolList
metadata:
  resourceVersion: "1180"
`,
    'calico.yaml',
  )
  t.same(problems, [])
  t.match(resources, [
    {
      apiVersion: 'margay.io/v1',
      kind: 'IPPool',
      metadata: { name: 'default-ipv4-ippool' },
      spec: { cidr: '192.168.0.0/16' },
    },
    { kind: 'BGPPeer', spec: { peerSelector: "route-reflector == 'true'" } },
  ])
  t.equal(resources[0].metadata.resourceVersion, undefined, "another store's version means nothing here")
})

t.test('a password is never written down, only where it is', async t => {
  for (const [password, expected] of [
    ['{ file: /k, env: K }', /password names not exactly one place/],
    ['{}', /password names not exactly one place/],
    ['{ file: tor.key }', /file tor\.key is not an absolute path/],
    ['{ secretKeyRef: { name: a, key: b } }', /secretKeyRef is not supported/],
    ['hunter2', /is not a mapping/],
  ] as const) {
    const { problems } = parseResources(
      file('BGPPeer', `peerIP: 10.0.1.1\nasNumber: 1\npassword: ${password}`),
      'x.yaml',
    )
    t.match(JSON.stringify(problems), expected, password)
    t.notMatch(JSON.stringify(problems), 'hunter2')
  }
})

t.test('a wrong field is told with object, value, reason, place and next step', async t => {
  for (const [text, expected] of [
    [
      file('IPPool', 'cidr: 10.42.0.1/16'),
      `ippool "x": cidr 10.42.0.1/16 has host bits set.
  rack2.yaml:6:9   The network of that length around it is 10.42.0.0/16.
  Write the network itself, or another length.`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0'),
      `ippool "x": cidr 10.42.0.0 has no prefix length.
  rack2.yaml:6:9   A CIDR is a network and its length.
  Write it like 10.42.0.0/16.`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/33'),
      `ippool "x": cidr 10.42.0.0/33 is not a CIDR.
  rack2.yaml:6:9   A CIDR is a network and its length.
  Write it like 10.42.0.0/16 or fd00:42::/48.`,
    ],
    [
      file('IPPool', 'blockSize: 26'),
      `ippool "x": cidr is missing.
  rack2.yaml:5:1   IPPool cannot do without it.
  Add cidr: <CIDR>.`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/16\nnatOutgoing: true\nnatOutgoingExclusions: [172.20.0.1/16]'),
      `ippool "x": natOutgoingExclusions[0] 172.20.0.1/16 has host bits set.
  rack2.yaml:8:27   The network of that length around it is 172.20.0.0/16.
  Write the network itself, or another length.`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/16\nnatOutgoing: true\nnatOutgoingExclusions: [fd00:20::/32]'),
      `ippool "x": natOutgoingExclusions names fd00:20::/32, and 10.42.0.0/16 is IPv4.
  rack2.yaml:8:3   A packet has a source and a destination of one family.
  Name fd00:20::/32 in the IPv6 pool.`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/16\nnatOutgoingExclusions: [172.20.0.0/16]'),
      `ippool "x": natOutgoingExclusions stands without natOutgoing: true.
  rack2.yaml:7:3   Pods of this pool keep their own address wherever they send to.
  Write natOutgoing: true, or remove natOutgoingExclusions.`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/16\nblocksize: 26'),
      `ippool "x": blocksize is not a field.
  rack2.yaml:7:3   The fields of IPPool are cidr, blockSize, nodeSelector, namespaceSelector, allowedUses, assignmentMode, disabled, disableBGPExport, ipipMode, vxlanMode, greMode, fouMode, gueMode, wireguardMode, natOutgoing, natOutgoingExclusions.
  Did you mean blockSize?`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/16\nblockSize: 122'),
      `ippool "x": blockSize 122 is not from 20 to 32.
  rack2.yaml:7:14   It is the prefix length of the blocks of an IPv4 pool.
  Write a number from 20 to 32; 26 is usual.`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/27\nblockSize: 26'),
      `ippool "x": blockSize 26 is less than the length of 10.42.0.0/27.
  rack2.yaml:7:14   A block is a part of its pool.
  Write a number from 27 to 32.`,
    ],
    [
      file('IPPool', 'cidr: fe80::/64'),
      `ippool "x": cidr fe80::/64 reaches into fe80::/10 (link-local).
  rack2.yaml:6:9   Nothing is routed there (RFC 6890).
  Choose a range of your own, like 10.42.0.0/16.`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/16\nvxlanMode: Crosssubnet'),
      `ippool "x": vxlanMode Crosssubnet is not one of its values.
  rack2.yaml:7:14   It takes Never, CrossSubnet, Always.
  Did you mean CrossSubnet?`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/16\nipipMode: Always\nvxlanMode: Always'),
      `ippool "x": ipipMode Always stands beside vxlanMode Always.
  rack2.yaml:7:13   A packet is wrapped once.
  Write Never for one of the two.`,
    ],
    [
      file('IPPool', 'cidr: fd00:42::/48\nipipMode: Always'),
      `ippool "x": ipipMode Always is for IPv4, and fd00:42::/48 is IPv6.
  rack2.yaml:7:13   IPIP carries IPv4 in IPv4.
  Write Never; vxlanMode serves IPv6 too.`,
    ],
    [
      file('IPPool', 'cidr: 10.42.0.0/16\ndisabled: "yes"'),
      `ippool "x": disabled yes is neither true nor false.
  rack2.yaml:7:13   It is a switch.
  Write true or false, without quotes.`,
    ],
    [
      file('IPPool', "cidr: 10.42.0.0/16\nnodeSelector: rack = 'r1'"),
      `ippool "x": nodeSelector rack = 'r1' is not a selector.
  rack2.yaml:7:17   At character 6: unexpected character =.
  Write it like all(), has(router) or rack == 'r1' && role in {'edge', 'core'}.`,
    ],
    [
      file('Node', 'bgp:\n  ipv4Address: 10.0.1.7'),
      `node "x": bgp.ipv4Address 10.0.1.7 has no subnet length.
  rack2.yaml:7:18   The length tells which nodes share this subnet and need no router between them.
  Write the length of the node's subnet as well, like 10.0.1.7/24.`,
    ],
    [
      file('Node', 'bgp:\n  asNumber: 0'),
      `node "x": bgp.asNumber 0 is not an AS number.
  rack2.yaml:7:15   AS numbers go from 1 to 4294967295 (RFC 6793).
  Write it like 64512, or with a dot like 1.10.`,
    ],
    [
      file('Node', 'bgp:\n  asNumber:'),
      `node "x": bgp.asNumber is empty.
  rack2.yaml:7:5   A field that is named has a value.
  Write asNumber: <AS number>, or remove bgp.asNumber.`,
    ],
    [
      file('Node', 'bgp: yes'),
      `node "x": bgp yes is not a mapping.
  rack2.yaml:6:8   It has the fields asNumber, ipv4Address, ipv6Address, routeReflectorClusterID.
  Write them below it, indented.`,
    ],
    [
      file('Node', 'bgp:\n  ipv4IPIPTunnelAddr: 10.42.0.1'),
      `node "x": bgp.ipv4IPIPTunnelAddr is not supported.
  rack2.yaml:7:5   The daemon takes the address of a tunnel from its own blocks; margayctl ipam show has it.
  Remove bgp.ipv4IPIPTunnelAddr.`,
    ],
    [
      file('BGPConfiguration', 'holdTime: 2', 'default'),
      `bgpconfiguration "default": holdTime 2 is not a hold time.
  rack2.yaml:6:13   A hold time is 0 (a session without keepalives) or 3 to 65535 seconds (RFC 4271 §4.2).
  Write seconds as a number like 90, or a duration like 1m30s.`,
    ],
    [
      file('BGPConfiguration', 'logSeverityScreen: Info', 'default'),
      `bgpconfiguration "default": logSeverityScreen is not supported.
  rack2.yaml:6:3   It is a setting of one node's process.
  Remove it here and set it in the node's margayd.yaml.`,
    ],
    [
      file('BGPConfiguration', '{}', 'node.n1'),
      `bgpconfiguration "node.n1": metadata.name node.n1 is not supported.
  rack2.yaml:4:9   There is one object of this kind, called default.
  Write name: default.`,
    ],
    [
      file('BGPPeer', 'peerIP: 10.0.1.300\nasNumber: 65001'),
      `bgppeer "x": peerIP 10.0.1.300 is not an address.
  rack2.yaml:6:11   A peer is named by its IP address, and by its port where that is not 179.
  Write it like 10.0.1.1, 10.0.1.1:1790, fd00::1 or [fd00::1]:1790.`,
    ],
    [
      file('BGPPeer', 'interface: eth0/1\nremoteAs: External'),
      `bgppeer "x": interface eth0/1 is not the name of a link.
  rack2.yaml:6:14   Linux names its links with at most 15 characters, without space, colon and slash.
  Write it like swp1, or eth* for several.`,
    ],
    [
      file('BGPPeer', 'interface: eth0'),
      `bgppeer "x": asNumber is missing.
  rack2.yaml:5:1   It tells eBGP from iBGP.
  Add the AS of the router on eth0, or remoteAs: External.`,
    ],
    [
      file('BGPPeer', 'interface: eth0\npeerIP: 10.0.1.1\nasNumber: 1'),
      `bgppeer "x": interface eth0 stands beside peerIP.
  rack2.yaml:6:14   Both say where the router is.
  Remove one of them.`,
    ],
    [
      file('BGPPeer', 'peerIP: 10.0.1.1\nremoteAs: External'),
      `bgppeer "x": remoteAs External stands without interface.
  rack2.yaml:7:13   It is for peers that are found.
  Write asNumber instead.`,
    ],
    [
      file('BGPPeer', 'peerIP: 10.0.1.1'),
      `bgppeer "x": asNumber is missing.
  rack2.yaml:5:1   It tells eBGP from iBGP, and the other end has to name the same.
  Add the AS of 10.0.1.1.`,
    ],
    [
      file('BGPPeer', 'node: n1'),
      `bgppeer "x": peerIP is missing.
  rack2.yaml:5:1   A peer is a router (peerIP or interface, and its AS) or nodes (peerSelector).
  Add peerIP and asNumber, or interface and remoteAs, or peerSelector.`,
    ],
    [
      file('BGPPeer', 'node: n1\nnodeSelector: all()\npeerIP: 10.0.1.1\nasNumber: 1'),
      `bgppeer "x": nodeSelector all() stands beside node.
  rack2.yaml:7:17   Both say which nodes have the session.
  Remove one of them.`,
    ],
    [
      file('BGPPeer', 'peerIP: 10.0.1.1\nasNumber: 1\nnextHopMode: self'),
      `bgppeer "x": nextHopMode self is not one of its values.
  rack2.yaml:8:16   It takes Auto, Self, Keep.
  Did you mean Self?`,
    ],
    [
      file('BGPPeer', 'peerIP: 10.0.1.1\nasNumber: 1\nkeepOriginalNextHop: true'),
      `bgppeer "x": keepOriginalNextHop is not supported.
  rack2.yaml:8:3   It is the old form of nextHopMode.
  Write nextHopMode: Keep.`,
    ],
    [
      file('BGPPear', '{}'),
      `bgppear "x": kind BGPPear is not known.
  rack2.yaml:2:7   The kinds are Node, IPPool, IPReservation, IPAMConfiguration, BGPConfiguration, BGPPeer.
  Did you mean BGPPeer?`,
    ],
    [
      file('Node', '{}', 'Rack_1'),
      `node "Rack_1": metadata.name Rack_1 is not a name.
  rack2.yaml:4:9   A name has small letters, digits, dots and dashes, begins and ends with a letter or digit, and is at most 253 long.
  Write it like rack1-n7.`,
    ],
    [
      'apiVersion: margay.io/v1\nkind: Node\nmetadata: { name: n, labels: { rack: 1 } }\n',
      `node "n": metadata.labels has the value 1 for rack.
  rack2.yaml:3:22   Values are texts.
  Put it in quotes: rack: "1".`,
    ],
    [
      'apiVersion: v1\nkind: Node\nmetadata: { name: n }\nspecs: {}\n',
      `node "n": apiVersion v1 is not known.
  rack2.yaml:1:13   Margay reads margay.io/v1, and projectcalico.org/v3 as it is.
  Write apiVersion: margay.io/v1.
node "n": specs is not a field.
  rack2.yaml:4:1   A resource has apiVersion, kind, metadata and spec.
  Did you mean spec?`,
    ],
    [
      '- just\n- a list\n',
      `document: a list is not a resource.
  rack2.yaml:1:1   A resource is a mapping with apiVersion, kind, metadata and spec.
  Begin with apiVersion: margay.io/v1.`,
    ],
    [
      'apiVersion: margay.io/v1\nkind: Node\nkind: Node\n',
      `document: not YAML: Map keys must be unique.
  rack2.yaml:3:1   Nothing of this document can be read.
  Mend the YAML there; indent with spaces, two a level.`,
    ],
  ] as const)
    t.equal(problemsOf(text), expected)
})

t.test('one bad object does not hide the others', async t => {
  const { resources, problems, placeOf } = parseResources(
    [
      file('Node', '{}', 'a'),
      file('Node', 'oops: 1', 'b'),
      'a: {b\n',
      file('Node', '{}', 'c'),
      file('Node', '{}', 'a'),
      '',
    ].join('---\n'),
    'many.yaml',
  )
  t.same(
    resources.map(resource => resource.metadata.name),
    ['a', 'c'],
  )
  t.same(
    problems.map(problem => `${problem.object} ${problem.place?.line}`),
    ['node "b" 13', 'document 16', 'node "a" 27'],
  )
  t.match(problems[2].what, 'stands already at many.yaml:4:9')
  t.same(placeOf(resources[1], ['metadata', 'name']), { file: 'many.yaml', line: 20, column: 9 })
  t.same(
    placeOf(resources[1], ['spec', 'bgp', 'asNumber']),
    { file: 'many.yaml', line: 21, column: 1 },
    'the nearest place',
  )
})

t.test('what is written is read back the same', async t => {
  for (const { example } of Object.values(kinds)) {
    const [resource] = parseResources(example, 'example.yaml').resources
    t.ok(resource)
    t.same(parseResources(formatResource(resource, 'yaml'), 'x.yaml').resources, [resource])
    t.same(parseResources(formatResource(resource, 'json'), 'x.json').resources, [resource])
    t.same(parseResource(JSON.parse(JSON.stringify(resource))), { ok: true, resource }, 'as a datastore gives it back')
  }
  const all = Object.values(kinds).flatMap(({ example }) => parseResources(example, 'x.yaml').resources)
  t.same(parseResources(formatResources(all, 'yaml'), 'x.yaml').resources, all)
})

t.test('whatever stands in a file ends in sentences of one line each', async t => {
  const values = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '10.42.0.0/16',
      'fd00::/64',
      '10.0.1.7/24',
      '1.10',
      "a == 'x\ny",
      'all()',
      '90s',
      'Auto',
      'Never',
      null,
      true,
      [],
    ),
    fc.integer(),
    fc.jsonValue(),
  )
  const fields = Object.values(kinds).flatMap(({ spec, foreign }) => [
    ...Object.keys(spec.entries),
    ...Object.keys(foreign),
  ])
  const spec = fc.oneof(fc.dictionary(fc.constantFrom(...fields, 'oops'), values), values)
  const metadata = fc.oneof(fc.record({ name: values, labels: values }, { requiredKeys: [] }), values)
  const apiVersion = fc.constantFrom('margay.io/v1', 'projectcalico.org/v3')
  const object = fc.record({
    apiVersion,
    kind: fc.oneof(fc.constantFrom(...Object.keys(kinds)), values),
    metadata,
    spec,
  })
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: object }, values), value => {
      for (const problem of parseResources(JSON.stringify(value), 'x').problems) {
        if (!problem.place || formatProblem(problem).split('\n').length !== 3) throw new Error(formatProblem(problem))
        for (const part of [problem.object, problem.what, problem.why, problem.fix])
          if (/undefined|\[object/.test(part) && !JSON.stringify(value).includes('undefined'))
            throw new Error(formatProblem(problem))
      }
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

t.test('addresses that no host or pod can have are refused', async t => {
  const problemsOf = (kind: string, spec: string) =>
    parseResources(`apiVersion: margay.io/v1\nkind: ${kind}\nmetadata: { name: x }\nspec: ${spec}\n`, 'x.yaml').problems
  for (const cidr of [
    '224.0.0.0/8',
    '240.0.0.0/4',
    '169.254.0.0/16',
    '0.0.0.0/8',
    '127.0.0.0/16',
    'ff00::/8',
    'fe80::/64',
  ])
    t.match(problemsOf('IPPool', `{ cidr: '${cidr}' }`)[0]?.what, /reaches into|is no/, cidr)
  for (const peerIP of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', 'ff02::1', 'fe80::1'])
    t.match(problemsOf('BGPPeer', `{ peerIP: '${peerIP}', asNumber: 1 }`)[0]?.what, /is no address of a host/, peerIP)
  for (const [address, what] of [
    ['10.1.1.0/24', /is the subnet itself/],
    ['10.1.1.255/24', /is the subnet's broadcast address/],
    ['224.0.0.1/32', /is no address of a host/],
    ['127.0.0.1/8', /is no address of a host/],
    ['0.0.0.0/0', /is no address of a host/],
  ] as const)
    t.match(problemsOf('Node', `{ bgp: { ipv4Address: '${address}' } }`)[0]?.what, what, address)
  for (const address of ['10.1.1.0/31', '10.1.1.1/31', '10.1.1.1/32', '10.1.1.254/24'])
    t.same(problemsOf('Node', `{ bgp: { ipv4Address: '${address}' } }`), [], address)
})

t.test('a key called like something every object has is as unknown as any other', async t => {
  const text =
    'apiVersion: margay.io/v1\nkind: IPPool\nmetadata: { name: x, valueOf: 0 }\nspec: { cidr: 10.42.0.0/16, toString: 1 }\n'
  t.match(
    parseResources(text, 'x.yaml').problems.map(problem => problem.what),
    ['metadata.valueOf is not a field', 'toString is not a field'],
  )
})

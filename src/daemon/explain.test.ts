import t from 'tap'
import { parseAddress } from '../../inet/index.ts'
import type { PathView } from '../../bgp/types.ts'
import { explain, type ExplainPorts } from './explain.ts'

const node: ExplainPorts = {
  endpoints: [
    {
      network: 'margay',
      containerId: 'abc',
      ifName: 'eth0',
      netns: '/run/netns/pod',
      hostDevice: 'mgy1',
      addresses: ['10.42.0.7'],
      mtu: 1500,
      label: 'shop/web-1',
    },
  ],
  blocks: ['10.42.0.0/26'],
  sealed: [],
  facts: {
    links: [],
    addresses: [],
    foreignRoutes: [
      { prefix: '10.1.1.0/24', device: 'eth0', protocol: 2, metric: 0, connected: true },
      { prefix: '0.0.0.0/0', device: 'eth0', gateway: '10.1.1.1', protocol: 4, metric: 0, connected: false },
    ],
  },
  learned: [],
  obstacle: () => undefined,
  paths: () => [],
}

const entry = { prefix: '10.42.8.0/26', kind: 'unicast', nextHops: [{ gateway: '10.1.1.1', device: 'eth0' }] } as const

t.test('who decides for an address', async t => {
  for (const c of [
    {
      name: 'a pod of this node',
      ip: '10.42.0.7',
      want: { prefix: '10.42.0.7/32', owner: 'endpoint', entry: { nextHops: [{ device: 'mgy1' }] } },
    },
    { name: 'a free address of an own block', ip: '10.42.0.8', want: { prefix: '10.42.0.0/26', owner: 'block' } },
    {
      name: 'an address of a pool that is encrypted, with no way to its node',
      ip: '10.42.9.1',
      node: { sealed: ['10.42.0.0/16'] },
      want: { prefix: '10.42.0.0/16', owner: 'block', explanation: [/nothing leaves in the open/, String] },
    },
    { name: 'a neighbour on the subnet', ip: '10.1.1.5', want: { prefix: '10.1.1.0/24', owner: 'connected' } },
    {
      name: 'the rest of the world',
      ip: '8.8.8.8',
      want: { prefix: '0.0.0.0/0', owner: 'foreign', entry: { nextHops: [{ gateway: '10.1.1.1' }] } },
    },
    {
      name: "the node's own address",
      ip: '10.1.1.7',
      node: { facts: { ...node.facts, addresses: [{ link: 'eth0', cidr: '10.1.1.7/24' }] } },
      want: {
        prefix: '10.1.1.7/32',
        owner: 'connected',
        explanation: [/on eth0: the kernel delivers it here/, String],
      },
    },
    { name: 'loopback', ip: '127.0.0.1', want: { prefix: '127.0.0.0/8', explanation: [/^Loopback/, String] } },
    { name: 'multicast', ip: 'ff02::1', want: { prefix: 'ff00::/8', explanation: [/^Multicast/] } },
    {
      name: 'a learned block',
      ip: '10.42.8.1',
      node: {
        learned: [{ prefix: '10.42.8.0/26', peer: 'tor1', entry }],
        paths: () => [{ peer: 'tor1', best: true } as PathView],
      },
      want: { prefix: '10.42.8.0/26', owner: 'bgp', entry, installed: true, paths: [{ peer: 'tor1' }] },
    },
  ] as const) {
    const address = parseAddress(c.ip)!
    t.match(explain(address, { ...node, ...('node' in c ? c.node : {}) }), c.want, c.name)
  }
})

t.test('what stands in the way is said', async t => {
  const address = parseAddress('10.42.8.1')!
  const lonely = { ...node, facts: { ...node.facts, foreignRoutes: [] } }
  t.match(explain(address, lonely), {
    prefix: undefined,
    installed: false,
    explanation: [/Nothing on this node leads to 10\.42\.8\.1.*margayctl bgp summary/],
  })
  const refused = {
    ...lonely,
    learned: [{ prefix: '10.42.8.0/26', peer: 'tor1', reason: 'next hop 10.9.9.9 cannot be reached' }],
  }
  t.match(
    explain(address, refused).explanation[0],
    /10\.42\.8\.0\/26 from tor1 is not used: next hop 10\.9\.9\.9 cannot be reached\./,
  )
  const path = {
    prefix: '10.42.8.0/26',
    peer: 'tor1',
    best: false,
    reason: 'next hop 10.9.9.9 is unreachable',
  } as PathView
  const unreachable = { ...node, paths: (prefix: string) => (prefix === path.prefix ? [path] : []) }
  t.match(explain(address, unreachable), {
    prefix: '0.0.0.0/0',
    explanation: [
      /another owner/,
      /10\.42\.8\.0\/26 from tor1 is not used: next hop 10\.9\.9\.9 is unreachable \(a default route does not count/,
    ],
  })
  const conflict = {
    ...lonely,
    learned: [{ prefix: '10.42.8.0/26', peer: 'tor1', entry }],
    obstacle: (prefix: string) => ({ prefix, state: 'conflict', text: 'a foreign route holds it' }) as const,
  }
  t.match(explain(address, conflict), { installed: false, explanation: [/Learned by BGP/, 'a foreign route holds it'] })
  const held = { ...lonely, learned: [{ prefix: '10.42.8.0/26', peer: 'tor1', entry, held: true }] }
  t.match(explain(address, held), {
    installed: true,
    explanation: [/from tor1, withdrawn since.*held in force.*guard accept/],
  })
  const taken = {
    ...conflict,
    facts: {
      ...node.facts,
      foreignRoutes: [{ prefix: '10.42.8.0/26', device: 'eth1', protocol: 4, metric: 1024, connected: false }],
    },
  }
  t.match(explain(address, taken), {
    owner: 'foreign',
    installed: true,
    explanation: [
      /another owner \(protocol 4\)/,
      /less preferred: 10\.42\.8\.0\/26 \(bgp\)/,
      'a foreign route holds it',
    ],
  })
})

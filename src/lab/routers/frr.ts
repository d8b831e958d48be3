// FRR as a router: zebra for the kernel, bgpd for BGP, both with sockets in the router's own directory. Facts: FRR's user
// guide, "Zebra", "BGP", "VTY shell". Nodes dial, as with BIRD. A neighbour without an address is named by its interface: FRR learns its
// link-local address from its router advertisements, and sends some itself.

import { parsePrefix } from '../../../inet/index.ts'
import type { NeighbourPlan, RouterPlan } from '../topology.ts'
import type { RouterKind } from './router.ts'

const families = ['ipv4', 'ipv6'] as const
const ipOf = { ipv4: 'ip', ipv6: 'ipv6' } as const

export const frr: RouterKind = {
  kind: 'frr',
  debianPackage: 'frr',
  owner: 'frr:frr',
  programs: ['/usr/lib/frr/zebra', '/usr/lib/frr/bgpd', '/usr/bin/vtysh'],
  render: plan => ({
    'zebra.conf': zebraConf(plan),
    'bgpd.conf': bgpdConf(plan),
    'vtysh.conf': 'no service integrated-vtysh-config\n',
  }),
  // A bgpd that does not find zebra's socket looks again only after ten seconds.
  daemons: (_plan, dir) => [
    {
      role: 'zebra',
      argv: ['/usr/lib/frr/zebra', ...common(dir, 'zebra'), '-s', '8388608'],
      socket: `${dir}/zserv.api`,
    },
    { role: 'bgpd', argv: ['/usr/lib/frr/bgpd', ...common(dir, 'bgpd'), '-p', '179'], socket: `${dir}/bgpd.vty` },
  ],
  tools: dir => ({ vtysh: ['/usr/bin/vtysh', '--config_dir', dir, '--vty_socket', dir] }),
}

const common = (dir: string, role: string): string[] => [
  '-f',
  `${dir}/${role}.conf`,
  '-i',
  `${dir}/${role}.pid`,
  '-z',
  `${dir}/zserv.api`,
  '--vty_socket',
  dir,
  '--log',
  'stdout',
  '--log-level',
  'informational',
]

const head = (plan: RouterPlan): string[] => [
  `! Router ${plan.host}, AS ${plan.asn}. Written by margayctl lab up.`,
  `frr defaults datacenter`,
  `hostname ${plan.host}`,
]

export const zebraConf = (plan: RouterPlan): string => [...head(plan), ''].join('\n')

export function bgpdConf(plan: RouterPlan): string {
  return [
    ...head(plan),
    ...podLists(plan),
    `route-map from-nodes permit 10`,
    ` match ip address prefix-list pods`,
    `route-map from-nodes permit 20`,
    ` match ipv6 address prefix-list pods`,
    ...plan.neighbours.flatMap(ownNextHop),
    `!`,
    `router bgp ${plan.asn}`,
    ` bgp router-id ${plan.routerId}`,
    ` no bgp default ipv4-unicast`,
    ` no bgp ebgp-requires-policy`,
    ` bgp cluster-id ${plan.routerId}`,
    ` bgp bestpath as-path multipath-relax`,
    ...plan.neighbours.flatMap(neighbour => [
      ...remote(plan, neighbour),
      ` neighbor ${nameOf(neighbour)} description ${neighbour.name}`,
      ` neighbor ${nameOf(neighbour)} timers ${Math.floor(plan.holdTime / 3)} ${plan.holdTime}`,
      ` neighbor ${nameOf(neighbour)} timers connect 3`,
      ...(neighbour.accept === 'pods' ? [` neighbor ${nameOf(neighbour)} passive`] : []),
    ]),
    ...families.flatMap(family => addressFamily(plan, family)),
    ``,
  ].join('\n')
}

const nameOf = ({ address, device }: NeighbourPlan): string => address ?? device

function remote({ asn: own }: RouterPlan, { address, device, asn }: NeighbourPlan): string[] {
  if (address !== undefined) return [` neighbor ${address} remote-as ${asn}`]
  return [
    ` neighbor ${device} interface remote-as ${asn === own ? 'internal' : 'external'}`,
    ` neighbor ${device} capability extended-nexthop`,
  ]
}

function podLists(plan: RouterPlan): string[] {
  return families.flatMap(family => {
    const longest = family === 'ipv4' ? 32 : 128
    const ranges = plan.pools[family].filter(pool => parsePrefix(pool)).map(pool => `${pool} le ${longest}`)
    return [...ranges, ...plan.loopbacks[family]].map(
      (range, i) => `${ipOf[family]} prefix-list pods seq ${5 * (i + 1)} permit ${range}`,
    )
  })
}

/**
 * The next hop of IPv6 routes, by name: a bgpd that has not heard of the interface's IPv6 address from zebra when the session comes
 * up would announce its IPv4 address, mapped, and keep to that.
 */
function ownNextHop({ name, local }: NeighbourPlan): string[] {
  return local.ipv6 === undefined ? [] : [`route-map to-${name} permit 10`, ` set ipv6 next-hop global ${local.ipv6}`]
}

function addressFamily(plan: RouterPlan, family: 'ipv4' | 'ipv6'): string[] {
  const lines = [` address-family ${family} unicast`]
  for (const subnet of plan.announce) if (subnet[family]) lines.push(`  network ${subnet[family]}`)
  for (const neighbour of plan.neighbours) {
    const own = neighbour.local[family]
    if (neighbour.address !== undefined && own === undefined) continue
    const name = `  neighbor ${nameOf(neighbour)}`
    lines.push(`${name} activate`, `${name} next-hop-self`)
    if (family === 'ipv6' && own !== undefined) lines.push(`${name} route-map to-${neighbour.name} out`)
    if (neighbour.accept === 'pods') lines.push(`${name} route-map from-nodes in`)
    if (neighbour.asOverride) lines.push(`${name} as-override`)
    if (neighbour.client) lines.push(`${name} route-reflector-client`)
  }
  return [...lines, ` exit-address-family`]
}

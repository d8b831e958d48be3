// BIRD 2 as a top-of-rack router, spine or edge. Facts: BIRD's user guide, "Protocols: BGP", "Kernel", "Direct".
//
// Unless the lab says `gracefulRestart`, `graceful restart aware` makes it a helper only: it keeps a restarting node's routes, and asks
// nobody to keep its own, so that a dead router's routes go with its session. The long-lived kind is off: FRR announces it always, for no time, and BIRD would
// keep the routes of an FRR that died for two minutes. Sessions with nodes are left to the nodes to dial: where both ends do, a second
// connection just after a restart counts as a second restart (RFC 4724 §4.2, §5), and drops what the first one kept.

import { parsePrefix } from '../../../inet/index.ts'
import type { NeighbourPlan, RouterPlan } from '../topology.ts'
import type { RouterKind } from './router.ts'

const families = ['ipv4', 'ipv6'] as const
type Family = (typeof families)[number]

export const bird: RouterKind = {
  kind: 'bird',
  debianPackage: 'bird2',
  programs: ['/usr/sbin/bird', '/usr/sbin/birdc'],
  render: plan => ({ 'bird.conf': birdConf(plan) }),
  daemons: ({ gracefulRestart }, dir) => [
    {
      role: 'bird',
      // `-R`: what the kernel holds is left alone until the neighbours have told all again.
      argv: ['/usr/sbin/bird', '-f', '-c', `${dir}/bird.conf`, '-s', `${dir}/bird.ctl`, '-P', `${dir}/bird.pid`].concat(
        gracefulRestart ? ['-R'] : [],
      ),
      socket: `${dir}/bird.ctl`,
    },
  ],
  tools: dir => ({ birdc: ['/usr/sbin/birdc', '-s', `${dir}/bird.ctl`] }),
}

export function birdConf(plan: RouterPlan): string {
  return [
    `# Router ${plan.host}, AS ${plan.asn}. Written by margayctl lab up.`,
    `log stderr all;`,
    `router id ${plan.routerId};`,
    ``,
    `protocol device { }`,
    ``,
    direct(plan),
    ...families.map(family => kernel(family, plan)),
    `filter pods_only {`,
    `  if (65535, 0) ~ bgp_community then bgp_local_pref = 0; # GRACEFUL_SHUTDOWN (RFC 8326)`,
    ...families.flatMap(family => podRule(plan, family)),
    `  reject;`,
    `}`,
    ``,
    ...overrides(plan),
    ...plan.neighbours.map(neighbour => session(plan, neighbour)),
  ].join('\n')
}

/** Own subnets that are announced; nothing else of the router's interfaces enters the table. */
function direct(plan: RouterPlan): string {
  if (plan.announce.length === 0) return ''
  const devices = plan.announce.map(subnet => `"${subnet.device}"`).join(', ')
  return `protocol direct announced {\n  ipv4;\n  ipv6;\n  interface ${devices};\n}\n`
}

function kernel(family: Family, { gracefulRestart }: RouterPlan): string {
  return [
    `protocol kernel kernel_${family} {`,
    `  ${family} { import none; export where source = RTS_BGP; };`,
    `  merge paths on;`,
    ...(gracefulRestart ? [`  persist;`, `  graceful restart;`] : []),
    `}`,
    ``,
  ].join('\n')
}

/** The pools and all inside them, and the nodes' own addresses. */
function podRule({ pools, loopbacks }: RouterPlan, family: Family): string[] {
  const type = family === 'ipv4' ? 'NET_IP4' : 'NET_IP6'
  const ranges = [...pools[family].filter(pool => parsePrefix(pool)).map(pool => `${pool}+`), ...loopbacks[family]]
  return ranges.length > 0 ? [`  if net.type = ${type} then { if net ~ [ ${ranges.join(', ')} ] then accept; }`] : []
}

/** BIRD has no such option: a filter takes the AS out of the path, and ours is put in front as always. */
function overrides({ neighbours }: RouterPlan): string[] {
  const asns = new Set(neighbours.filter(neighbour => neighbour.asOverride).map(neighbour => neighbour.asn))
  return [...asns].flatMap(asn => [
    `filter override_${asn} {`,
    `  if source !~ [ RTS_BGP, RTS_DEVICE ] then reject;`,
    `  if source = RTS_BGP then bgp_path.delete(${asn});`,
    `  accept;`,
    `}`,
    ``,
  ])
}

function session(plan: RouterPlan, neighbour: NeighbourPlan): string {
  const internal = neighbour.asn === plan.asn
  const accept = neighbour.accept === 'pods' ? 'filter pods_only' : 'all'
  const channel = (family: Family): string[] => {
    const own = neighbour.local[family]
    if (own === undefined) return []
    return [
      `  ${family} {`,
      `    import ${accept};`,
      `    export ${neighbour.asOverride ? `filter override_${neighbour.asn}` : 'where source ~ [ RTS_BGP, RTS_DEVICE ]'};`,
      `    next hop self;`,
      `    next hop address ${own};`,
      `    gateway direct;`,
      `  };`,
    ]
  }
  return [
    `protocol bgp ${neighbour.name.replaceAll('-', '_')} {`,
    `  local ${neighbour.local.ipv4 ?? neighbour.local.ipv6} as ${plan.asn};`,
    `  neighbor ${neighbour.address} as ${neighbour.asn};`,
    `  direct;`,
    ...(neighbour.accept === 'pods' ? [`  passive;`] : []),
    ...(neighbour.client && internal ? [`  rr client;`, `  rr cluster id ${plan.routerId};`] : []),
    `  hold time ${plan.holdTime};`,
    `  connect delay time 1;`,
    `  connect retry time 3;`,
    `  error wait time 1, 3;`,
    `  graceful restart ${plan.gracefulRestart ? 'on' : 'aware'};`,
    `  long lived graceful restart off;`,
    ...families.flatMap(channel),
    `}`,
    ``,
  ].join('\n')
}

import { mkdirSync } from 'node:fs'
import { openbgpd as daemon } from '../../integration/interop/daemons/openbgpd.ts'
import type { Host } from '../../integration/interop/kit/lan.ts'
import type { Device, DevicePlan } from './device.ts'
import { filter } from './filter.ts'

export const openbgpd: Device = {
  name: 'openbgpd',
  title: daemon.title,
  version: () => daemon.version(),
  start: (host, plan) => {
    // Where it locks itself in; a system's start makes it, and nothing is put there.
    mkdirSync('/run/openbgpd', { recursive: true, mode: 0o755 })
    // It reads no file that others may write.
    host.spawn('openbgpd', ['bgpd', '-d', '-f', host.file('bgpd.conf', configuration(host, plan))])
  },
}

function configuration(host: Host, plan: DevicePlan): string {
  const { asn, routerId, local, family, kind, neighbours, hasPaths, hasFilters, holdTime } = plan
  const [wanted, other] = family === 'ipv4-unicast' ? ['IPv4', 'IPv6'] : ['IPv6', 'IPv4']
  return [
    `AS ${asn}`,
    `router-id ${routerId}`,
    `socket "${host.directory}/bgpd.sock"`,
    `fib-update no`,
    ...(holdTime === undefined ? [] : [`holdtime ${holdTime}`]),
    `group "peers" {`,
    `  passive`,
    `  local-address ${local}`,
    `  announce ${wanted} unicast`,
    `  announce ${other} none`,
    ...(hasPaths ? [`  announce add-path send all`] : []),
    ...(kind === 'reflector' ? [`  route-reflector ${routerId}`] : []),
    ...neighbours.map(({ address, asn }) => `  neighbor ${address} { remote-as ${asn} }`),
    `}`,
    `allow from any`,
    `allow to any`,
    ...(kind === 'ebgp' ? [`match to any set nexthop self`] : []),
    ...neighbours.flatMap(({ address, isQuiet }) => (isQuiet ? [`deny to ${address}`] : [])),
    ...(hasFilters ? [...dense('from'), ...dense('to')] : []),
    ``,
  ].join('\n')
}

/** It has no patterns of AS paths: the second AS of a pair stands for both. */
function dense(direction: 'from' | 'to'): string[] {
  return [
    ...filter.prefixes.map(prefix => `deny ${direction} any prefix ${prefix} prefixlen 16 - 32`),
    ...filter.communities.map(({ asn, value }) => `deny ${direction} any community ${asn}:${value}`),
    ...filter.pairs.map(([, b]) => `deny ${direction} any AS ${b}`),
  ]
}

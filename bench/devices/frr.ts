// zebra for interfaces, next hops and the kernel, bgpd for BGP.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { frr as daemon } from '../../integration/interop/daemons/frr.ts'
import type { Host } from '../../integration/interop/kit/lan.ts'
import type { Device, DevicePlan } from './device.ts'
import { filter } from './filter.ts'

const programs = '/usr/lib/frr'

export const frr: Device = {
  name: 'frr',
  title: daemon.title,
  version: () => daemon.version(),
  start: async (host, plan) => {
    host.file('zebra.conf', 'frr defaults datacenter\n')
    host.file('bgpd.conf', configuration(plan))
    host.spawn('zebra', [`${programs}/zebra`, ...options(host, 'zebra')])
    // A bgpd that comes before zebra's socket tries again after ten seconds only.
    while (!existsSync(join(host.directory, 'zserv.api'))) await sleep(20)
    host.spawn('bgpd', [`${programs}/bgpd`, ...options(host, 'bgpd'), ...(plan.kernel ? [] : ['-n']), '-p', '179'])
  },
}

function options({ directory }: Host, role: string): string[] {
  const files = ['-f', `${directory}/${role}.conf`, '-i', `${directory}/${role}.pid`, '-z', `${directory}/zserv.api`]
  return [...files, '--vty_socket', directory, '-A', '127.0.0.1', '--log', 'stdout', '--log-level', 'errors']
}

function configuration(plan: DevicePlan): string {
  const { asn, routerId, family, kind, neighbours, hasPaths, hasFilters, holdTime = 240 } = plan
  const version = family === 'ipv4-unicast' ? 'ipv4' : 'ipv6'
  const option = kind === 'reflector' ? 'route-reflector-client' : 'next-hop-self'
  return [
    `frr defaults datacenter`,
    // Before what names them: else they come into force some seconds later.
    `route-map nothing deny 10`,
    ...(hasFilters ? dense() : []),
    `router bgp ${asn}`,
    ` bgp router-id ${routerId}`,
    ` bgp cluster-id ${routerId}`,
    ` no bgp default ipv4-unicast`,
    ` no bgp ebgp-requires-policy`,
    // Else it waits the longer the more peers it has.
    ` coalesce-time 100`,
    ` neighbor peers peer-group`,
    ` neighbor peers passive`,
    ` neighbor peers timers ${Math.floor(holdTime / 3)} ${holdTime}`,
    ...neighbours.flatMap(({ address, asn }) => [
      ` neighbor ${address} remote-as ${asn}`,
      ` neighbor ${address} peer-group peers`,
    ]),
    ` address-family ${version} unicast`,
    `  neighbor peers activate`,
    `  neighbor peers ${option}`,
    ...(hasPaths ? [`  neighbor peers addpath-tx-all-paths`] : []),
    ...(hasFilters ? [`  neighbor peers route-map dense in`, `  neighbor peers route-map dense out`] : []),
    ...neighbours.flatMap(({ address, isQuiet }) => (isQuiet ? [`  neighbor ${address} route-map nothing out`] : [])),
    ` exit-address-family`,
    ``,
  ].join('\n')
}

function dense(): string[] {
  const matching = (n: number, what: string): string[] => [`route-map dense deny ${n}`, ` match ${what}`]
  return [
    ...filter.prefixes.map((prefix, i) => `ip prefix-list dense seq ${i + 1} permit ${prefix} le 32`),
    ...filter.communities.map(({ asn, value }) => `bgp community-list standard dense permit ${asn}:${value}`),
    ...filter.pairs.map(([a, b]) => `bgp as-path access-list dense permit _${a}_${b}_`),
    ...matching(10, 'ip address prefix-list dense'),
    ...matching(20, 'community dense'),
    ...matching(30, 'as-path dense'),
    `route-map dense permit 100`,
  ]
}

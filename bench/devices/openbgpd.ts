import { mkdirSync } from 'node:fs'
import { openbgpd as daemon } from '../../integration/interop/daemons/openbgpd.ts'
import type { Host } from '../../integration/interop/kit/lan.ts'
import type { Device, DevicePlan } from './device.ts'

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

function configuration(host: Host, { asn, routerId, local, family, kind, neighbours }: DevicePlan): string {
  const [wanted, other] = family === 'ipv4-unicast' ? ['IPv4', 'IPv6'] : ['IPv6', 'IPv4']
  return [
    `AS ${asn}`,
    `router-id ${routerId}`,
    `socket "${host.directory}/bgpd.sock"`,
    `fib-update no`,
    `group "peers" {`,
    `  passive`,
    `  local-address ${local}`,
    `  announce ${wanted} unicast`,
    `  announce ${other} none`,
    ...(kind === 'reflector' ? [`  route-reflector ${routerId}`] : []),
    ...neighbours.map(({ address, asn }) => `  neighbor ${address} { remote-as ${asn} }`),
    `}`,
    `allow from any`,
    `allow to any`,
    ...(kind === 'ebgp' ? [`match to any set nexthop self`] : []),
    ``,
  ].join('\n')
}

import { gobgp as daemon } from '../../integration/interop/daemons/gobgp.ts'
import type { Device, DevicePlan } from './device.ts'

export const gobgp: Device = {
  name: 'gobgp',
  title: daemon.title,
  version: () => daemon.version(),
  start: (host, plan) => {
    const file = host.file('gobgpd.toml', configuration(plan))
    host.spawn('gobgp', ['gobgpd', '-f', file, '--api-hosts', '127.0.0.1:50051', '-p', '-l', 'warn', '--pprof-disable'])
  },
}

/** It is the next hop of what it sends by eBGP, and leaves that of iBGP, by itself. */
function configuration({ asn, routerId, local, family, kind, neighbours, holdTime = 240 }: DevicePlan): string {
  return [
    `[global.config]`,
    `as = ${asn}`,
    `router-id = "${routerId}"`,
    `port = 179`,
    ...neighbours.flatMap(({ address, asn }) => [
      `[[neighbors]]`,
      `[neighbors.config]`,
      `neighbor-address = "${address}"`,
      `peer-as = ${asn}`,
      `[neighbors.transport.config]`,
      `local-address = "${local}"`,
      `passive-mode = true`,
      `[neighbors.timers.config]`,
      `hold-time = ${holdTime}`,
      ...(kind === 'reflector'
        ? [
            `[neighbors.route-reflector.config]`,
            `route-reflector-client = true`,
            `route-reflector-cluster-id = "${routerId}"`,
          ]
        : []),
      `[[neighbors.afi-safis]]`,
      `[neighbors.afi-safis.config]`,
      `afi-safi-name = "${family}"`,
    ]),
    ``,
  ].join('\n')
}

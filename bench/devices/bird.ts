import { bird as daemon } from '../../integration/interop/daemons/bird.ts'
import type { Device, DevicePlan } from './device.ts'

export const bird: Device = {
  name: 'bird',
  title: daemon.title,
  version: () => daemon.version(),
  start: (host, plan) => {
    const file = host.file('bird.conf', configuration(plan))
    host.spawn('bird', ['bird', '-f', '-c', file, '-s', `${file}.ctl`, '-P', `${file}.pid`])
  },
}

/** No protocol but BGP: nothing goes into the kernel. */
function configuration({ asn, routerId, local, family, kind, neighbours }: DevicePlan): string {
  const channel = ['import all; export all;', ...(kind === 'ebgp' ? ['next hop self;'] : [])].join(' ')
  const version = family === 'ipv4-unicast' ? 'ipv4' : 'ipv6'
  return [
    `log stderr { warning, error, fatal, bug };`,
    `router id ${routerId};`,
    `protocol device {}`,
    `template bgp peers {`,
    `  local ${local} as ${asn};`,
    `  passive on;`,
    ...(kind === 'reflector' ? [`  rr client; rr cluster id ${routerId};`] : []),
    `  ${version} { ${channel} };`,
    `}`,
    ...neighbours.map(({ address, asn }, n) => `protocol bgp n${n} from peers { neighbor ${address} as ${asn}; }`),
    ``,
  ].join('\n')
}

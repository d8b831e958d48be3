// Margay's speaker: the executable of the library as it is published, on the sockets of netlink-ts, as the daemon runs it. Where
// routes go into the kernel, the daemon itself.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FileConfig } from '../../bgp/cli/fields.ts'
import type { Host } from '../../integration/interop/kit/lan.ts'
import type { Device, DevicePlan } from './device.ts'
import { end } from '../network.ts'
import { isInSync, runDaemon, startDaemon } from './margayd.ts'

const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

export const margay: Device = {
  name: 'margay',
  title: 'Margay',
  version: () => (JSON.parse(readFileSync(file('package.json'), 'utf8')) as { version: string }).version,
  start: (host, plan) => (plan.kernel ? startDaemon(host, plan) : startSpeaker(host, plan)),
  isSettled: isInSync,
  stop: host => end(host),
  restart: host => runDaemon(host),
}

function startSpeaker(host: Host, plan: DevicePlan): void {
  const config = host.file('router.json', JSON.stringify(configuration(plan)))
  const options = plan.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', plan.profile]
  const argv = [process.execPath, ...options, file('bgp/dist/cli.js'), 'run', config]
  host.spawn('margay', [...argv, '--sockets', file('netlink/dist/socket.js')])
}

function configuration({ asn, routerId, local, family, kind, neighbours }: DevicePlan): FileConfig {
  const common = {
    families: [family],
    passive: true,
    holdTime: 240,
    import: 'accept-all',
    export: 'accept-all',
    nextHop: kind === 'ebgp' ? 'self' : 'auto',
    reflectorClient: kind === 'reflector',
    localAddress: local,
  } as const
  const peers = neighbours.map(({ address, asn }, n) => [`n${n}`, { ...common, address, remoteAs: asn }] as const)
  return { asn, routerId, clusterId: routerId, peers: Object.fromEntries(peers) }
}

// Margay's speaker: the executable of the library as it is published, on the sockets of netlink-ts, as the daemon runs it. Where
// routes go into the kernel, the daemon itself.

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { FileConfig } from '../../bgp/cli/fields.ts'
import type { Host } from '../../integration/interop/kit/lan.ts'
import type { Device, DevicePlan } from './device.ts'
import { end, pidsOf } from '../network.ts'
import { filter } from './filter.ts'
import { isInSync, runDaemon, startDaemon } from './margayd.ts'

const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

export const margay: Device = {
  name: 'margay',
  title: 'Margay',
  version: () => (JSON.parse(readFileSync(file('package.json'), 'utf8')) as { version: string }).version,
  start: (host, plan) => (plan.kernel ? startDaemon(host, plan) : startSpeaker(host, plan)),
  longestTurn,
  isSettled: isInSync,
  stop: host => end(host),
  restart: host => runDaemon(host),
}

const dense: NonNullable<FileConfig['policies']>[string] = {
  rules: [
    { name: 'prefixes', when: { prefixes: filter.prefixes.map(prefix => ({ prefix, max: 32 })) }, then: 'reject' },
    {
      name: 'communities',
      when: { communities: filter.communities.map(({ asn, value }) => `${asn}:${value}`) },
      then: 'reject',
    },
    ...filter.pairs.map(([a, b]) => ({
      name: `${a} ${b}`,
      when: { asPath: `.* ${a} ${b} .*` },
      then: 'reject' as const,
    })),
  ],
  otherwise: 'accept',
}

function startSpeaker(host: Host, plan: DevicePlan): void {
  const config = host.file('router.json', JSON.stringify(configuration(plan)))
  const profile = plan.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', plan.profile]
  const options = [...profile, ...(plan.turns ? ['--import', file('bench/devices/turns.ts')] : [])]
  const argv = [process.execPath, ...options, file('bgp/dist/cli.js'), 'run', config]
  host.spawn('margay', [...argv, '--sockets', file('netlink/dist/socket.js')], { BENCH_TURNS: turnsOf(host) })
}

const turnsOf = ({ directory }: Host): string => join(directory, 'turns')

/** Asks the preloaded `turns.ts`. */
async function longestTurn(host: Host): Promise<number> {
  rmSync(turnsOf(host), { force: true })
  for (const pid of pidsOf(host)) process.kill(pid, 'SIGUSR2')
  while (!existsSync(turnsOf(host))) await sleep(20)
  await sleep(20)
  return Number(readFileSync(turnsOf(host), 'utf8'))
}

function configuration(plan: DevicePlan): FileConfig {
  const { asn, routerId, local, family, kind, neighbours, hasPaths, hasFilters, holdTime = 240 } = plan
  const policy = hasFilters ? 'dense' : 'accept-all'
  const common = {
    families: [family],
    passive: true,
    holdTime,
    import: policy,
    ...(hasPaths && { addPath: { [family]: { send: 'all' } } }),
    nextHop: kind === 'ebgp' ? 'self' : 'auto',
    reflectorClient: kind === 'reflector',
    localAddress: local,
  } as const
  const peers = neighbours.map(({ address, asn, isQuiet }, n) => {
    return [`n${n}`, { ...common, address, remoteAs: asn, export: isQuiet ? 'reject-all' : policy }] as const
  })
  return { asn, routerId, clusterId: routerId, policies: { dense }, peers: Object.fromEntries(peers) }
}

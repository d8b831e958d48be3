import { join } from 'node:path'
import { bird as daemon } from '../../integration/interop/daemons/bird.ts'
import type { Host } from '../../integration/interop/kit/lan.ts'
import { end } from '../network.ts'
import type { Device, DevicePlan } from './device.ts'
import { filter } from './filter.ts'

export const bird: Device = {
  name: 'bird',
  title: daemon.title,
  version: () => daemon.version(),
  start: (host, plan) => {
    host.file('bird.conf', configuration(plan))
    run(host)
  },
  // Its recovery may be over, by its own word, before it has read what its peer says.
  isSettled: async (host, routes) => {
    const [status, protocols] = [await ask(host, 'show', 'status'), await ask(host, 'show', 'protocols')]
    if (!status.includes('Daemon is up') || status.includes('recovery') || / (start|wait) /.test(protocols))
      return false
    const [, count] = /^(?:Total: )?(\d+) of \d+ routes/m.exec(await ask(host, 'show', 'route', 'count')) ?? []
    return Number(count ?? 0) >= routes
  },
  stop: async host => {
    await ask(host, 'graceful', 'restart')
    await end(host)
  },
  restart: host => run(host, '-R'),
}

const socketOf = (host: Host): string => join(host.directory, 'bird.ctl')
const ask = (host: Host, ...words: readonly string[]): Promise<string> =>
  host.exec('birdc', '-s', socketOf(host), ...words)

function run(host: Host, ...options: readonly string[]): void {
  const file = join(host.directory, 'bird.conf')
  host.spawn('bird', ['bird', '-f', ...options, '-c', file, '-s', socketOf(host), '-P', `${file}.pid`])
}

/** Without the protocol `kernel` nothing goes there. */
function configuration({
  asn: own,
  routerId,
  family,
  kind,
  neighbours,
  kernel,
  hasPaths,
  hasFilters,
  holdTime = 240,
}: DevicePlan): string {
  const policy = hasFilters ? 'filter dense' : 'all'
  const channel = (out: string) =>
    [
      `import ${policy}; export ${out};`,
      hasPaths ? 'add paths tx;' : '',
      ...(kind === 'ebgp' ? ['next hop self;'] : []),
    ].join(' ')
  const merge = neighbours.length > 1 ? 'merge paths on;' : ''
  const version = family === 'ipv4-unicast' ? 'ipv4' : 'ipv6'
  return [
    `log stderr { warning, error, fatal, bug };`,
    `router id ${routerId};`,
    ...(hasFilters ? [dense()] : []),
    `protocol device {}`,
    ...(kernel
      ? [`protocol kernel { persist; graceful restart on; ${merge} ${version} { import none; export all; }; }`]
      : []),
    `template bgp peers {`,
    `  passive on;`,
    ...(kernel ? [`  graceful restart on;`] : []),
    ...(kind === 'reflector' ? [`  rr client; rr cluster id ${routerId};`] : []),
    `  hold time ${holdTime};`,
    `}`,
    ...neighbours.map(
      ({ address, asn, local, isQuiet }, n) =>
        `protocol bgp n${n} from peers { local ${local} as ${own}; neighbor ${address} as ${asn}; ${version} { ${channel(isQuiet ? 'none' : policy)} }; }`,
    ),
    ``,
  ].join('\n')
}

function dense(): string {
  const reject = (what: string): string => `  if ${what} then reject;`
  const communities = filter.communities.map(({ asn, value }) => `(${asn},${value})`)
  return [
    'filter dense {',
    reject(`net ~ [ ${filter.prefixes.map(prefix => `${prefix}+`).join(', ')} ]`),
    reject(`bgp_community ~ [ ${communities.join(', ')} ]`),
    ...filter.pairs.map(([a, b]) => reject(`bgp_path ~ [= * ${a} ${b} * =]`)),
    '  accept;',
    '}',
  ].join('\n')
}

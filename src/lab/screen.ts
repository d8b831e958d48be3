// What a lab that is up looks like: sessions, one node's routes, who reaches whom, and what to try.

import type { BgpSummary } from '../api/contract.ts'
import type { Paint } from './output.ts'
import type { Party, Probe } from './reach.ts'
import type { Topology } from './topology.ts'

export const heading = (paint: Paint, title: string, note = ''): string =>
  `\n${paint('bold', title)}${note ? `  ${paint('dim', note)}` : ''}\n`

/** Columns as wide as their widest cell; `painted` colours a cell without changing its width. */
function columns(
  rows: readonly (readonly string[])[],
  painted: (cell: string, row: number, column: number) => string,
): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)))
  return rows
    .map((row, r) =>
      `  ${row.map((cell, c) => painted(cell, r, c) + ' '.repeat(widths[c] - cell.length)).join('  ')}`.trimEnd(),
    )
    .join('\n')
}

export function sessionsText(summaries: readonly BgpSummary[], paint: Paint): string {
  const head = ['NODE', 'AS', 'PEER', 'ADDRESS', 'PEER AS', 'STATE', 'IN', 'OUT']
  const rows = summaries.flatMap(summary =>
    summary.peers.map((peer, i) => [
      i === 0 ? summary.node : '',
      i === 0 ? String(summary.asn ?? '') : '',
      peer.name,
      peer.address,
      String(peer.remoteAs),
      peer.state,
      String(peer.prefixesAccepted),
      String(peer.prefixesSent),
    ]),
  )
  return columns([head, ...rows], (cell, row, column) => {
    if (row === 0) return paint('dim', cell)
    if (column === 5) return paint(cell === 'Established' ? 'green' : 'red', cell)
    return column === 0 ? paint('bold', cell) : cell
  })
}

/** `text` as `ip route` prints it. */
export function routesText(text: string, paint: Paint): string {
  return text
    .trimEnd()
    .split('\n')
    .map(line => `  ${line.includes('proto 81') ? paint('cyan', line.trimEnd()) : line.trimEnd()}`)
    .join('\n')
}

const marks = { both: '●', one: '◐', none: '✘', self: '·' } as const

/** Sources as rows, targets as numbered columns. ● all families answer, ◐ only some do, ✘ none does. */
export function matrixText(
  { sources, targets }: { readonly sources: readonly Party[]; readonly targets: readonly Party[] },
  probes: readonly Probe[],
  paint: Paint,
): string {
  const numbers = new Map(targets.map((target, i) => [target.name, String(i + 1)]))
  const cells = Map.groupBy(probes, probe => `${probe.from} ${probe.to}`)
  const cell = (from: string, to: string): string => {
    const pair = cells.get(`${from} ${to}`)
    if (!pair) return marks.self
    const answered = pair.filter(probe => probe.ok).length
    return answered === pair.length ? marks.both : answered > 0 ? marks.one : marks.none
  }
  const describe = (party: Party): string[] => [
    numbers.get(party.name) ?? '',
    party.name,
    party.ipv4 ?? '',
    party.ipv6 ?? '',
  ]
  const names = new Set(sources.map(source => source.name))
  const rows = [
    ['', '', '', '', ...targets.map(target => numbers.get(target.name) ?? '')],
    ...sources.map(source => [...describe(source), ...targets.map(target => cell(source.name, target.name))]),
    ...targets.filter(target => !names.has(target.name)).map(target => [...describe(target), ...targets.map(() => '')]),
  ]
  return columns(rows, (text, row, column) => {
    if (text === marks.both) return paint('green', text)
    if (text === marks.one) return paint('yellow', text)
    if (text === marks.none) return paint('red', text)
    if (row === 0 || column === 0 || text === marks.self) return paint('dim', text)
    return column === 1 ? paint('bold', text) : text
  })
}

/** Sentences for what did not answer. */
export function lossText(probes: readonly Probe[]): readonly string[] {
  const lost = probes.filter(probe => !probe.ok)
  return lost.length === 0
    ? []
    : [
        `${lost.length} of ${probes.length} pings had no answer:`,
        ...lost.slice(0, 10).map(probe => `  ${probe.from} to ${probe.to} (${probe.address})`),
        ...(lost.length > 10 ? [`  and ${lost.length - 10} more`] : []),
      ]
}

/** `lab` is how the user calls the lab's commands. */
export function tryText(topology: Topology, command: (verb: string) => string, paint: Paint): string {
  const node = topology.nodes[0]?.host
  const pod = topology.pods[0]?.name
  const router =
    topology.routers.find(({ neighbours }) => neighbours.some(({ name }) => name === node)) ?? topology.routers[0]
  const far = topology.hosts.find(host => host.role === 'outside')?.links[0]?.ipv4?.split('/')[0]
  const show = router?.kind === 'frr' ? "vtysh -c 'show bgp ipv4 unicast'" : 'birdc show route'
  const commands: readonly (readonly [string, string])[] = [
    ...(node
      ? ([[`${command('exec')} ${node} ip route`, 'blocks of other nodes, its own, one /32 a pod']] as const)
      : []),
    ...(node
      ? ([[`${command('exec')} ${node} margayctl bgp summary`, "the node's own view of its sessions"]] as const)
      : []),
    ...(router ? ([[`${command('exec')} ${router.host} ${show}`, "a router's table: every block"]] as const) : []),
    ...(pod && far
      ? ([[`${command('exec')} ${pod} ping -c 3 ${far}`, 'from a pod to the world, without NAT']] as const)
      : []),
    ...(node && !router
      ? ([[`${command('exec')} ${node} margayctl ipam show`, 'its blocks and addresses']] as const)
      : []),
    [command('ping'), 'everyone to everyone again'],
    [command('down'), 'remove all of it'],
  ]
  const width = Math.max(...commands.map(([line]) => line.length))
  return commands.map(([line, why]) => `  ${paint('cyan', line.padEnd(width))}  ${paint('dim', why)}`).join('\n')
}

// `margayctl node mtu [NODE]`: what the paths from this machine to the others carry, against what pods and tunnels reckon with.
//
// Asked by this machine's margayd and the datastore, tried by echoes that must not be cut. The nodes' own addresses show the network
// between them; a tunnel is tried too, as a firewall may pass the one and drop the other.

import { isIPv6 } from 'node:net'
import type { Command } from 'commander'
import type { MtuView } from '../api/contract.ts'
import type { Datastore } from '../datastore/contract.ts'
import { allAddresses } from '../ipam/index.ts'
import { isTunnelDevice } from '../model/tunnel.ts'
import { echo } from '../../netlink/echo.ts'
import { parseResource } from '../resources/index.ts'
import { ask, type Context } from './context.ts'
import { CommandError, print, table } from './output.ts'
import { findPathMtu, type PathMtu, type ProbeOutcome } from './path-mtu.ts'

/** One path: to an address of another node, by the network between or through a tunnel. */
export interface PathToTry {
  readonly node: string
  readonly family: 4 | 6
  readonly to: string
  /** Link or tunnel that it leaves by. */
  readonly device: string
  /** Octets that are sent at most, and that are reckoned with. */
  readonly most: number
  readonly used: number
}

export type TriedPath = PathToTry & { readonly found: PathMtu }

/** Milliseconds until silence counts as an answer: at first; when the way is known, so many times as it takes, and at least. */
const patience = { first: 1_000, times: 5, least: 300 } as const
/** RFC 791 §3.1, RFC 8200 §5: what every host takes. */
const least = { 4: 576, 6: 1280 } as const

export function registerMtu(node: Command, context: Context): void {
  node
    .command('mtu')
    .argument('[name]', 'to which node; default: to all others')
    .description('send packets of many sizes to other nodes, and say what the paths carry and what pools would need')
    .action(async (name: string | undefined) => {
      if (process.getuid?.() !== 0) throw new CommandError(1, 'node mtu sends raw packets: run it as root')
      const view = await ask(context, '/v1/mtu', {})
      const paths = await pathsToTry(context, view, name)
      const tried = await Promise.all(paths.map(async path => ({ ...path, found: await tryPath(path) })))
      const sentences = adviceOn(tried, view)
      print(context.format(), { ...view, paths: tried, advice: sentences }, () => mtuText(tried, view, sentences))
      if (sentences.length > 0) process.exitCode = 1
    })
}

async function pathsToTry(context: Context, view: MtuView, name: string | undefined): Promise<readonly PathToTry[]> {
  const store = await context.datastore({ create: false })
  try {
    const nodes = await otherNodes(store, view.node)
    if (name === view.node) throw new CommandError(2, `node "${name}" is this one: name another, or none for all`)
    if (name !== undefined && !nodes.some(each => each.name === name))
      throw new CommandError(3, `there is no other node "${name}" with an address: margayctl get nodes lists them`)
    const wanted = nodes.filter(each => name === undefined || each.name === name)
    if (wanted.length === 0) throw new CommandError(3, 'there is no other node with an address to send to')
    const tunnelled = (await allAddresses(store)).filter(({ containerId }) => isTunnelDevice(containerId))
    return wanted.flatMap(({ name: node, addresses }) => [
      ...addresses.flatMap(to => direct(view, node, to)),
      ...tunnelled.filter(row => row.node === node).flatMap(row => through(view, node, row)),
    ])
  } finally {
    await store.close()
  }
}

interface OtherNode {
  readonly name: string
  readonly addresses: readonly string[]
}

async function otherNodes(store: Datastore, own: string): Promise<readonly OtherNode[]> {
  const found: OtherNode[] = []
  for (let next: string | undefined; ;) {
    const page = await store.list('Node', next === undefined ? {} : { next })
    for (const { name, value } of page.entries) {
      const parsed = parseResource(value)
      if (!parsed.ok || parsed.resource.kind !== 'Node' || name === own) continue
      const { ipv4Address, ipv6Address } = parsed.resource.spec.bgp ?? {}
      const addresses = [ipv4Address, ipv6Address].flatMap(text => text?.split('/')[0] ?? [])
      if (addresses.length > 0) found.push({ name, addresses })
    }
    if (page.next === undefined) return found
    next = page.next
  }
}

function direct({ parents }: MtuView, node: string, to: string): readonly PathToTry[] {
  const family = isIPv6(to) ? 6 : 4
  const parent = parents.find(each => each.family === family)
  if (!parent) return []
  const { link: device = 'unknown', linkMtu: most = parent.mtu, mtu: used } = parent
  return [{ node, family, to, device, most, used }]
}

function through(
  { tunnels }: MtuView,
  node: string,
  { containerId, address }: { readonly containerId: string; readonly address: string },
): readonly PathToTry[] {
  const tunnel = tunnels.find(({ device }) => device === containerId)
  if (!tunnel) return []
  const { device, family, mtu } = tunnel
  return [{ node, family, to: address, device, most: mtu, used: mtu }]
}

function tryPath({ to, family, most }: PathToTry): Promise<PathMtu> {
  let wait: number = patience.first
  const probe = async (octets: number): Promise<ProbeOutcome> => {
    const sentAt = performance.now()
    const outcome = await echo({ to, octets, wait })
    if (outcome.what === 'answered') {
      wait = Math.min(wait, Math.max(patience.least, patience.times * (performance.now() - sentAt)))
      return { passed: true }
    }
    if (outcome.what === 'too big') return { passed: false, named: outcome.mtu ?? 0 }
    return { passed: false, named: 0, why: reasons[outcome.code] ?? `it cannot be sent (${outcome.code})` }
  }
  return findPathMtu({ probe, least: Math.min(least[family], most), most })
}

const reasons: Readonly<Record<string, string>> = {
  ETIMEDOUT: 'nobody answers',
  EHOSTUNREACH: 'the host is not reachable',
  ENETUNREACH: 'no route leads there',
  ECONNREFUSED: 'the host refuses it',
}

/** Sentences on what is less than it is taken for, with the next step. */
export function adviceOn(tried: readonly TriedPath[], { pools }: Pick<MtuView, 'pools'>): readonly string[] {
  // One setting for both families: what the narrowest path takes.
  const octets = tried.flatMap(({ device, found }) => (found.ok && !isTunnelDevice(device) ? [found.octets] : []))
  const setting = Math.max(Math.min(...octets), least[6])
  return tried.flatMap(({ node, to, device, family, used, found }) => {
    const where = `${to} (node "${node}", by ${device})`
    if (!found.ok)
      return [`${where}: ${found.why}, so its path is not known; ping ${to} shows whether echoes pass at all`]
    const lack = used - found.octets
    if (lack <= 0) return []
    if (isTunnelDevice(device))
      return [
        `${where}: ${found.octets} of ${used} octets pass through the tunnel; unless the direct path lacks as many, something between drops great or cut packets of the tunnel: let it pass them, or lower dataplane.mtu by ${lack} in margayd.yaml of both nodes`,
      ]
    const need = pools
      .filter(({ pool }) => isIPv6(pool.split('/')[0]) === (family === 6))
      .map(({ pool, mtu }) => `${pool} ${mtu - (used - setting)}`)
    const then = need.length > 0 ? `; pods have then: ${need.join(', ')}` : ''
    return [
      `${where}: ${found.octets} octets pass, and ${used} are reckoned with; have the network carry ${used}, or write dataplane: { mtu: ${setting} } into margayd.yaml of every node that sends there, and have margayd read it (systemctl reload margayd, or SIGHUP)${then}`,
    ]
  })
}

export function mtuText(
  tried: readonly TriedPath[],
  { pools }: Pick<MtuView, 'pools'>,
  advice: readonly string[],
): string {
  const paths = table<TriedPath>(
    [
      { head: 'NODE', cell: ({ node }) => node },
      { head: 'TO', cell: ({ to }) => to },
      { head: 'BY', cell: ({ device }) => device },
      { head: 'PASSES', cell: ({ found }) => (found.ok ? found.octets : undefined), align: 'right' },
      { head: 'USED', cell: ({ used }) => used, align: 'right' },
    ],
    tried,
  )
  const ofPools = table(
    [
      { head: 'POOL', cell: ({ pool }: MtuView['pools'][number]) => pool },
      { head: 'BY', cell: ({ device }) => device },
      { head: 'MTU OF PODS', cell: ({ mtu }) => mtu, align: 'right' },
    ],
    pools,
  )
  return [paths, ...(pools.length > 0 ? ['', ofPools] : []), ...advice.map(sentence => `! ${sentence}`)].join('\n')
}

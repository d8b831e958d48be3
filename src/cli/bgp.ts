// `margayctl bgp summary` and `bgp routes`: the views that users of birdc and vtysh look for.

import type { Command } from 'commander'
import { comparePrefixes, parsePrefix } from '../../inet/index.ts'
import type { PathView } from '../../bgp/types.ts'
import type { BgpSummary, PeerSummary } from '../api/contract.ts'
import { ask, type Context } from './context.ts'
import { CommandError, duration, print, table } from './output.ts'

export function registerBgp(program: Command, context: Context): void {
  const bgp = program.command('bgp').description('sessions and routes of this node')

  bgp
    .command('summary')
    .description('every session: state, since when, prefixes, and why it is down')
    .action(async () => {
      const summary = await ask(context, '/v1/bgp/summary', {})
      print(context.format(), summary, () => summaryText(summary))
    })

  bgp
    .command('routes')
    .argument('[prefix]', 'all paths of one prefix, each loser with its reason')
    .description('the Loc-RIB, or what one peer sent or was sent')
    .option('-6, --ipv6', 'IPv6 unicast instead of IPv4')
    .option('--received <peer>', 'what the peer sent, before policy')
    .option('--advertised <peer>', 'what the peer was sent')
    .action(async (prefix: string | undefined, options: { ipv6?: boolean; received?: string; advertised?: string }) => {
      if (options.received && options.advertised)
        throw new CommandError(2, 'give one of --received and --advertised: what a peer sent, or what it was sent')
      if (prefix && (options.received ?? options.advertised))
        throw new CommandError(2, 'a prefix shows the paths of all peers: leave out the peer, or the prefix')
      if (prefix && options.ipv6 && !prefix.includes(':'))
        throw new CommandError(2, `${prefix} is an IPv4 prefix: leave out -6`)
      const rows: PathView[] = []
      let after: string | undefined
      do {
        const page = await ask(context, '/v1/bgp/routes', {
          family: options.ipv6 || prefix?.includes(':') ? '6' : '4',
          prefix,
          peer: options.received ?? options.advertised,
          table: options.received ? 'received' : options.advertised ? 'advertised' : undefined,
          after,
        })
        rows.push(...page.rows)
        after = page.next
      } while (after !== undefined)
      const sorted = prefix ? rows : rows.toSorted(byPrefix)
      print(context.format(), sorted, () => routesText(sorted))
    })
}

/** By network; a page comes in the order in which the prefixes became known. */
function byPrefix(a: PathView, b: PathView): number {
  const [left, right] = [parsePrefix(a.prefix), parsePrefix(b.prefix)]
  return left && right ? comparePrefixes(left, right) : 0
}

/** The table and, below it, a sentence for each session that is down. */
export function summaryText(summary: BgpSummary): string {
  const head = `${summary.node}  AS ${summary.asn ?? 'unknown'}  router id ${summary.routerId ?? 'unknown'}`
  const cluster = summary.clusterId ? `  cluster id ${summary.clusterId}` : ''
  if (summary.peers.length === 0)
    return `${head}${cluster}\nno peers: apply a BGPPeer, or leave nodeToNodeMeshEnabled on and add nodes`
  const rows = table<PeerSummary>(
    [
      { head: 'PEER', cell: peer => peer.name },
      { head: 'ADDRESS', cell: peer => peer.address },
      { head: 'AS', cell: peer => peer.remoteAs, align: 'right' },
      { head: 'STATE', cell: peer => peer.state },
      { head: 'SINCE', cell: peer => duration(peer.seconds), align: 'right' },
      { head: 'RECEIVED', cell: peer => peer.prefixesReceived, align: 'right' },
      { head: 'ACCEPTED', cell: peer => peer.prefixesAccepted, align: 'right' },
      { head: 'SENT', cell: peer => peer.prefixesSent, align: 'right' },
      { head: 'FLAPS', cell: peer => peer.flaps, align: 'right' },
    ],
    summary.peers,
  )
  const down = summary.peers.flatMap(peer =>
    peer.state !== 'Established' && peer.lastError ? [`${peer.name}: ${peer.lastError}`] : [],
  )
  return [head + cluster, rows, ...down].join('\n')
}

export function routesText(rows: readonly PathView[]): string {
  if (rows.length === 0) return 'no routes'
  return table<PathView>(
    [
      { head: '', cell: row => (row.best ? '*>' : row.multipath ? '*=' : ' ') + (row.stale ? 'S' : '') },
      { head: 'PREFIX', cell: row => row.prefix },
      { head: 'NEXT HOP', cell: row => row.nextHop },
      { head: 'FROM', cell: row => row.peer },
      { head: 'PREF', cell: row => row.localPref, align: 'right' },
      { head: 'MED', cell: row => row.med, align: 'right' },
      { head: 'AS PATH', cell: row => row.asPath },
      { head: 'WHY NOT', cell: row => row.reason },
    ],
    rows,
  )
}

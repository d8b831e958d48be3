// `margayctl status`: is this node all right, and if not, what to do.

import type { Command } from 'commander'
import type { DaemonStatus } from '../api/contract.ts'
import { StoreError } from '../datastore/contract.ts'
import { type UnknownKind, unknownKinds, unknownText } from '../ipam/known-kinds.ts'
import { ask, type Context } from './context.ts'
import { endlessTexts, type ListedNode, listNodes, seenText } from './node-list.ts'
import { cutLines, duration, print } from './output.ts'

export function registerStatus(program: Command, context: Context): void {
  program
    .command('status')
    .description('this node at a glance: datastore, sessions, routes, and what stands in the way')
    .action(async () => {
      const status = await ask(context, '/v1/status', {})
      const cluster = await clusterOf(context, status)
      print(context.format(), { ...status, ...cluster }, () => statusText(status, cluster))
    })
}

/** What only the datastore knows. */
interface ClusterView {
  readonly nodes: readonly ListedNode[]
  readonly unknownKinds: readonly UnknownKind[]
}

/** Undefined while the datastore does not answer the daemon or this command. */
async function clusterOf(context: Context, status: DaemonStatus): Promise<ClusterView | undefined> {
  if (status.datastore.state !== 'in sync') return undefined
  try {
    const store = await context.datastore({ create: false })
    try {
      return { nodes: await listNodes(store), unknownKinds: await unknownKinds(store) }
    } finally {
      await store.close()
    }
  } catch (error) {
    if (error instanceof StoreError) return undefined
    throw error
  }
}

/** The other nodes, and who of them is not heard of. */
export function nodesText(nodes: readonly ListedNode[] | undefined, own: string): string {
  if (!nodes) return 'not known: that stands in the datastore'
  const others = nodes.filter(({ name, isMember }) => isMember && name !== own)
  if (others.length === 0) return 'no other'
  const missing = others.filter(({ state }) => state !== 'alive')
  const alive = `${others.length - missing.length} of ${others.length} others alive`
  if (missing.length === 0) return alive
  const named = missing.slice(0, shown).map(node => `${node.name} (${seenText(node)})`)
  const rest = missing.length > shown ? [`${missing.length - shown} more: margayctl node list`] : []
  return `${alive}; not heard of: ${[...named, ...rest].join(', ')}`
}

/** Nodes that are named one by one. */
const shown = 5

function datastoreText({ type, state, text, refusal }: DaemonStatus['datastore']): string {
  return `${type}, ${state}${text === undefined ? '' : `: ${text}`}${refusal ? ', takes no writes' : ''}`
}

export function statusText(status: DaemonStatus, cluster?: ClusterView): string {
  const lines = [
    `${status.node}  margayd ${status.version}, pid ${status.pid}, up ${duration(status.uptime)}`,
    `  datastore  ${datastoreText(status.datastore)}`,
    `  BGP        AS ${status.asn ?? 'unknown'}, ${status.peers.established} of ${status.peers.configured} sessions Established`,
    `  blocks     ${status.blocks.join(', ') || 'none'}`,
    `  pods       ${status.endpoints}${status.unchecked.length > 0 ? `, of which may send from any address: ${status.unchecked.join(', ')}` : ''}`,
    ...(status.partial.length > 0
      ? [
          `             records lost; MAC, routes, sysctls and default routes of ${status.partial.join(', ')} are not known, and CHECK does not look at them`,
        ]
      : []),
    `  routes     ${status.routes.installed} in the kernel${status.inSync ? '' : `, waiting for ${status.waitingFor.join(', ')}`}`,
    `  nodes      ${nodesText(cluster?.nodes, status.node)}`,
  ]
  if (status.drain) lines.push(`  drain      ${status.drain.phase}: ${status.drain.text}`)
  for (const wait of status.waits) lines.push(`  change     ${wait}`)
  const refused = status.datastore.refusal ? [status.datastore.refusal.text] : []
  const unreadable = new Set(status.unreadable)
  const problems = [
    ...refused,
    ...status.problems.filter(problem => !unreadable.has(problem)),
    ...cutLines([...unreadable]),
    ...status.routes.conflicts.map(({ prefix, text }) => `${prefix}: ${text}`),
    // The daemon tells it of its own node where that matters there.
    ...cutLines(endlessTexts((cluster?.nodes ?? []).filter(({ name }) => name !== status.node))),
    ...cutLines(
      (cluster?.unknownKinds ?? []).map(each => `records of kind ${each.kind} in the datastore: ${unknownText(each)}`),
    ),
  ]
  return [...lines, ...problems.map(problem => `  ! ${problem}`)].join('\n')
}

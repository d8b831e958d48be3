// `margayctl ipam check`: whether blocks, addresses, pods and the kernel's routes agree, in the datastore and on this node.

import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError, call } from '../api/client.ts'
import type { IpamFinding } from '../api/contract.ts'
import { type ClusterStore, StoreError } from '../datastore/contract.ts'
import { checkCluster, type ClusterFinding } from '../ipam/cluster-check.ts'
import { allBlocks } from '../ipam/claims.ts'
import { parseResource } from '../resources/index.ts'
import type { Context } from './context.ts'
import { type ListedNode, listNodes, seenText } from './node-list.ts'
import { CommandError, print, seeAll, shownLines, table } from './output.ts'
import { signsOfLife } from './signs-of-life.ts'

export interface Row {
  /** A node, or `cluster`. */
  readonly where: string
  /** `not-looked`: what could not be looked at. */
  readonly kind: IpamFinding['kind'] | ClusterFinding['kind'] | 'not-looked'
  readonly object: string
  /** `refused`: it can be put right, and what stood in the way is in the text. */
  readonly state: 'fixed' | 'fixable' | 'refused' | 'yours'
  readonly text: string
}

/** Nodes that are asked at once whether they live. */
const asked = 32
/** Milliseconds: a node's copies follow its blocks within 250. */
const betweenLooks = 1_000

export async function checkIpam(context: Context, { fix }: { readonly fix: boolean }): Promise<void> {
  const { apart, refusal } = await standing(context)
  // What this node does not believe may be half of an import: nothing of it is put right by guesses.
  const ofCluster = await clusterRows(context, { fix, mayFix: !apart })
  const ofNode = await nodeRows(context, fix)
  const rows = [...(apart ? [apart] : []), ...ofCluster.filter(row => !isToldBetter(row, ofNode)), ...ofNode]
  print(context.format(), rows, () => checkText(rows, { fix, refusal }))
  const left = rows.filter(({ state }) => state !== 'fixed').length
  if (left > 0) throw new CommandError(1, `${left} ${left === 1 ? 'finding' : 'findings'}`)
}

/** What this node's daemon has against the datastore, and that against writes; neither: nothing, or the daemon does not answer. */
async function standing(context: Context): Promise<{ readonly apart?: Row; readonly refusal?: string }> {
  try {
    const { node, datastore } = await call(context.config().api.socket, '/v1/status', {})
    const { state, text, held, refusal } = datastore
    if (state === 'in sync' && held === undefined) return { ...(refusal && { refusal: refusal.text }) }
    const what = `this node goes by what it knew of the cluster before, and that was not compared; of the cluster's records nothing is put right meanwhile: ${held ?? text ?? state}`
    return { apart: notLooked(node, 'datastore', what) }
  } catch (error) {
    if (error instanceof ApiError && error.status === 0) return {}
    throw error
  }
}

function notLooked(where: string, object: string, text: string): Row {
  return { where, kind: 'not-looked', object, state: 'yours', text }
}

async function clusterRows(
  context: Context,
  { fix, mayFix }: { readonly fix: boolean; readonly mayFix: boolean },
): Promise<readonly Row[]> {
  const store = await context.datastore({ create: false })
  try {
    const nodes = new Map((await listNodes(store)).map(node => [node.name, node]))
    const rows: Row[] = []
    for (const { repair, kind, object, text, node } of await lasting(store)) {
      const outcome = fix && mayFix && (await repair?.().catch(asRefusal))
      const state = outcome === true ? 'fixed' : outcome ? 'refused' : repair && mayFix ? 'fixable' : 'yours'
      const what = kind === 'dead-node' ? `${text} ${seenOf(nodes, node)}` : text
      rows.push({ where: 'cluster', kind, object, state, text: withRefusal(what, outcome) })
    }
    return [...rows, ...(await silentNodes(store, nodes, context.config().api.socket))]
  } catch (error) {
    if (error instanceof StoreError) throw new CommandError(1, error.message)
    throw error
  } finally {
    await store.close()
  }
}

/** What keeps the datastore from being written, as a sentence. */
function asRefusal(error: unknown): string {
  if (error instanceof StoreError) return error.message
  throw error
}

function withRefusal(text: string, outcome: unknown): string {
  return typeof outcome === 'string' ? `${text} Not put right: ${outcome}` : text
}

/** What two looks find, so that what nodes are changing at the moment is left out. */
async function lasting(store: ClusterStore): Promise<readonly ClusterFinding[]> {
  const key = ({ kind, object, node }: ClusterFinding): string => `${kind} ${object} ${node}`
  const before = new Set((await checkCluster(store)).map(key))
  if (before.size === 0) return []
  await sleep(betweenLooks)
  return (await checkCluster(store)).filter(finding => before.has(key(finding)))
}

/** Nodes with blocks, of which nothing is heard. Time proves nothing: nothing is freed for having been silent for long. */
async function silentNodes(
  store: ClusterStore,
  nodes: ReadonlyMap<string, ListedNode>,
  socket: string,
): Promise<readonly Row[]> {
  const blocks = Map.groupBy(await allBlocks(store), ({ node }) => node)
  const names = [...blocks.keys()].filter(name => nodes.get(name)?.state !== 'alive')
  const rows: Row[] = []
  for (let i = 0; i < names.length; i += asked)
    rows.push(
      ...(
        await Promise.all(
          names.slice(i, i + asked).map(async (name): Promise<readonly Row[]> => {
            const parsed = parseResource((await store.get('Node', name))?.value)
            if (!parsed.ok || parsed.resource.kind !== 'Node') return []
            const cidrs = blocks.get(name)?.map(({ cidr }) => cidr) ?? []
            const { ipv4Address, ipv6Address } = parsed.resource.spec.bgp ?? {}
            if (ipv4Address === undefined && ipv6Address === undefined) return []
            const life = await signsOfLife({ name, node: parsed.resource, blocks: cidrs }, socket)
            if (life.signs.length > 0 || life.unasked.length > 0) return []
            const text = `node "${name}" owns ${cidrs.length === 1 ? 'it' : 'them'} and gives no sign of life. If it is off for good: margayctl node decommission ${name}. ${seenOf(nodes, name)}`
            return [{ where: 'cluster', kind: 'dead-node', object: cidrs.join(' '), state: 'yours', text }]
          }),
        )
      ).flat(),
    )
  return rows
}

/** When a node that seems dead was there, as a sentence. */
function seenOf(nodes: ReadonlyMap<string, ListedNode>, name = ''): string {
  const node = nodes.get(name)
  const text = node ? seenText(node) : 'never seen'
  return `Its margayd was ${text}; its blocks stay its own, however long that is.`
}

/** A node sees its own pods and copies themselves. */
export function isToldBetter({ kind, object }: Row, ofNode: readonly Row[]): boolean {
  return (
    ['duplicate', 'no-block', 'orphan-copy', 'unreadable'].includes(kind) &&
    ofNode.some(row => row.kind === kind && row.object === object)
  )
}

async function nodeRows(context: Context, fix: boolean): Promise<readonly Row[]> {
  try {
    const { node, findings } = await call(context.config().api.socket, fix ? '/v1/ipam/fix' : '/v1/ipam/check', {})
    return findings.map(({ kind, object, text, fixed, fixable, refused }) => ({
      where: node,
      kind,
      object,
      state: fixed ? 'fixed' : refused ? 'refused' : fixable ? 'fixable' : 'yours',
      text: withRefusal(text, refused),
    }))
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 0) throw error
    const text = `what its pods have and what its kernel routes was not looked at, so nothing is known of it: ${error.message}`
    return [notLooked(context.config().node.name, 'pods and routes', text)]
  }
}

/** `refusal`: why the datastore takes no writes. */
export function checkText(
  rows: readonly Row[],
  { fix, refusal }: { readonly fix: boolean; readonly refusal?: string | undefined },
): string {
  if (rows.length === 0) return 'blocks, addresses, pods and routes agree'
  const left = new Set(rows.filter(({ kind }) => kind === 'unreadable').slice(shownLines))
  const more = left.size > 0 ? `\n\nand ${left.size} more that are unreadable${seeAll}` : ''
  const shown = table<Row>(
    [
      { head: 'WHERE', cell: row => row.where },
      { head: 'FINDING', cell: row => row.kind },
      { head: 'OBJECT', cell: row => row.object },
      { head: 'STATE', cell: row => row.state },
      { head: 'WHAT', cell: row => row.text },
    ],
    rows.filter(row => !left.has(row)),
  )
  const fixable = rows.some(({ state }) => state === 'fixable')
  if (!fixable || fix) return `${shown}${more}`
  const when = refusal === undefined ? '' : ` when the datastore takes writes again: ${refusal}`
  return `${shown}${more}\n\nmargayctl ipam check --fix puts right what is fixable${when}`
}

// `margayctl node list`: which nodes there are, and which are alive by what their daemons say in the datastore.

import type { Command } from 'commander'
import { type ClusterStore, endlessText, type Sign } from '../datastore/index.ts'
import { allEntries } from '../ipam/claims.ts'
import type { NodeSign } from '../model/node-sign.ts'
import { printable } from '../resources/index.ts'
import { type Context, withDatastore } from './context.ts'
import { type Column, cutLines, duration, print, table } from './output.ts'

export interface ListedNode {
  readonly name: string
  /**
   * `alive`: its margayd said so within seconds. `silent`: it is stopped, dead, or cut off from the datastore, which does not mean
   * that its pods are off. `never seen`: no margayd of that name has reached this datastore.
   */
  readonly state: 'alive' | 'silent' | 'never seen'
  /** ISO 8601, by the node's clock: when it was there for certain. */
  readonly seen?: string
  /** What its margayd last said of itself. */
  readonly about?: Partial<NodeSign>
  /** Whether there is a Node of that name. */
  readonly isMember: boolean
  /** Why it counts as alive for as long as nobody does anything about that, and what to do: a sentence without a full stop. */
  readonly endless?: string
}

export function registerNodeList(node: Command, context: Context): void {
  node
    .command('list')
    .description('every node, whether it is alive, and when it was last seen')
    .action(() =>
      withDatastore(context, async store => {
        const nodes = await listNodes(store)
        print(context.format(), nodes, () => nodesTable(nodes))
      }),
    )
}

/** Below it, whose state is not to be trusted. */
export function nodesTable(nodes: readonly ListedNode[]): string {
  if (nodes.length === 0) return 'no nodes'
  const endless = cutLines(endlessTexts(nodes).map(text => `! ${text}`))
  return [table(columns(Date.now()), nodes), ...(endless.length > 0 ? ['', ...endless] : [])].join('\n')
}

export function endlessTexts(nodes: readonly ListedNode[]): readonly string[] {
  return nodes.flatMap(({ endless }) => (endless === undefined ? [] : [printable(endless)]))
}

export async function listNodes(store: ClusterStore): Promise<readonly ListedNode[]> {
  const members = new Set((await allEntries(store, 'Node')).map(({ name }) => name))
  const signs = new Map((await store.signs()).map(sign => [sign.name, sign]))
  const names = [...new Set([...members, ...signs.keys()])].toSorted()
  return names.map(name => listed(name, signs.get(name), members.has(name)))
}

/** What is known of one node's life. */
export function listed(name: string, sign: Sign | undefined, isMember: boolean): ListedNode {
  if (!sign) return { name, state: 'never seen', isMember }
  const about = (sign.about ?? {}) as Partial<NodeSign>
  const endless = endlessText(sign)
  const state = sign.isAlive ? 'alive' : 'silent'
  return { name, state, seen: sign.seen, about, isMember, ...(endless !== undefined && { endless }) }
}

/** When a node was last seen, for people: `now`, `4m12s ago`; undefined: never. */
export function lastSeen({ state, seen }: Pick<ListedNode, 'state' | 'seen'>, now = Date.now()): string | undefined {
  return state === 'alive' ? 'now' : seen && `${since(seen, now) ?? seen} ago`
}

/** `last seen 4m12s ago`, `never seen`. */
export function seenText(node: ListedNode): string {
  const seen = lastSeen(node)
  return seen === undefined ? 'never seen' : `last seen ${seen}`
}

function since(at: string | undefined, now: number): string | undefined {
  const seconds = (now - Date.parse(at ?? '')) / 1000
  return Number.isNaN(seconds) ? undefined : duration(seconds)
}

/** The columns on which `get nodes` and `node list` agree. */
export function livenessColumns(now: number): readonly Column<Pick<ListedNode, 'state' | 'seen'>>[] {
  return [
    { head: 'STATE', cell: ({ state }) => state },
    { head: 'LAST SEEN', cell: node => lastSeen(node, now) },
  ]
}

function columns(now: number): readonly Column<ListedNode>[] {
  return [
    { head: 'NAME', cell: ({ name }) => name },
    ...livenessColumns(now),
    {
      head: 'UP',
      cell: ({ state, about }) => (state === 'alive' ? since(about?.since, now) : undefined),
      align: 'right',
    },
    { head: 'MARGAYD', cell: ({ about }) => about?.version },
    { head: 'HOST', cell: ({ about }) => about?.host },
    { head: 'NODE', cell: ({ isMember }) => (isMember ? 'yes' : 'no such Node') },
  ]
}

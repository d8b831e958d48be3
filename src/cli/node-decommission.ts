// `margayctl node decommission NAME`: what a dead node holds goes back to the cluster.

import type { Command } from 'commander'
import { type ClusterStore, type Datastore, type Sign, StoreError } from '../datastore/index.ts'
import {
  blocksOfNode,
  copiesBesideBlocks,
  freeBlocks,
  type HeldBlock,
  type HeldCopy,
  notedText,
  putBack,
} from '../ipam/index.ts'
import { handoverKind } from '../model/handover.ts'
import { tunnelUseKind } from '../model/tunnel-use.ts'
import { type NodeResource, parseResource, readStored } from '../resources/index.ts'
import type { Context } from './context.ts'
import { CommandError, print } from './output.ts'
import { type Life, signsOfLife } from './signs-of-life.ts'

export interface Plan {
  readonly name: string
  readonly node?: NodeResource
  /** Why its Node cannot be read. */
  readonly unread?: string
  /** Names of the BGPPeers that are for this node alone. */
  readonly peers: readonly string[]
  readonly blocks: readonly HeldBlock[]
  /** Notes of addresses outside its blocks. */
  readonly copies: readonly HeldCopy[]
  readonly sign?: Sign
}

interface Options {
  readonly yes?: boolean
  readonly force?: boolean
}

export function registerDecommission(node: Command, context: Context): void {
  node
    .command('decommission')
    .argument('<name>', 'a node that is off and will not come back')
    .description('list what a dead node holds; with --yes, free its blocks and remove its Node and peers')
    .option('--yes', 'do it')
    .option('--force', 'although it seems alive: if it is, two pods may get one address')
    .action(async (name: string, { yes = false, force = false }: Options) => {
      if (name === '') throw new CommandError(2, 'decommission needs the name of a node, and this one is empty')
      const store = await context.datastore({ create: false })
      try {
        const plan = await planFor(store, name)
        const life = await signsOfLife(
          { ...plan, blocks: plan.blocks.map(({ cidr }) => cidr) },
          context.config().api.socket,
        )
        const isRefused = life.signs.length > 0 && !force
        print(context.format(), { ...plan, node: plan.node?.metadata.name, ...life }, () => planText(plan, life))
        if (isRefused)
          throw new CommandError(
            1,
            `node "${name}" seems alive: stop it, or cut it off, and try again. --force frees its blocks all the same; its pods then keep addresses that pods elsewhere get, so traffic for either reaches the wrong one`,
          )
        const endangered = force ? undefined : endangeredText(plan)
        if (endangered !== undefined) throw new CommandError(1, endangered)
        if (yes) await decommission(store, plan)
        if (context.format() === 'table')
          process.stdout.write(
            yes
              ? 'done; should the machine come back, its margayd gives none of these addresses and announces nothing\n'
              : `nothing is changed yet: margayctl node decommission ${name} --yes${force ? ' --force' : ''} does it\n`,
          )
      } catch (error) {
        if (error instanceof StoreError) throw new CommandError(error.code === 'not-found' ? 3 : 1, error.message)
        throw error
      } finally {
        await store.close()
      }
    })
}

/** What a node holds. Throws `CommandError` if that is nothing, and there is no such node. */
export async function planFor(store: ClusterStore, name: string): Promise<Plan> {
  const entry = await store.get('Node', name)
  const stored = entry && readStored('Node', entry)
  const blocks = await blocksOfNode(store, name)
  const copies = await copiesBesideBlocks(store, name)
  const peers = await peersOf(store, name)
  const sign = (await store.signs()).find(each => each.name === name)
  if (!entry && blocks.length + copies.length + peers.length === 0 && !sign)
    throw new CommandError(3, `there is no node "${name}", and nothing is kept for one: margayctl get nodes lists them`)
  return {
    name,
    ...(stored && (stored.ok ? { node: stored.resource } : { unread: stored.why })),
    peers,
    blocks,
    copies,
    ...(sign && { sign }),
  }
}

async function peersOf(store: Datastore, name: string): Promise<readonly string[]> {
  const names: string[] = []
  let next: string | undefined
  do {
    const page = await store.list('BGPPeer', { next })
    for (const { name: peer, value } of page.entries) {
      const parsed = parseResource(value)
      if (parsed.ok && parsed.resource.kind === 'BGPPeer' && parsed.resource.spec.node === name) names.push(peer)
    }
    next = page.next
  } while (next !== undefined)
  return names
}

/** The Node goes first, so that its peers let go of it; a repetition ends what was broken off. */
export async function decommission(store: ClusterStore, { name, peers }: Plan): Promise<void> {
  await deleteIfThere(store, 'Node', name)
  for (const peer of peers) await deleteIfThere(store, 'BGPPeer', peer)
  for (const kind of [tunnelUseKind, handoverKind]) await deleteIfThere(store, kind, name)
  await freeBlocks(store, name, new Date().toISOString())
  await store.forget(name)
}

async function deleteIfThere(store: Datastore, kind: string, name: string): Promise<void> {
  try {
    await store.delete(kind, name)
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'not-found') throw error
  }
}

/** Why its blocks are not freed: pods of other nodes have addresses in them. */
export function endangeredText({ name, node, unread, sign, blocks }: Plan): string | undefined {
  const endangered = blocks.filter(({ others }) => others.length > 0)
  const [first] = endangered
  if (!first) return undefined
  const isNobody = !node && unread === undefined && !sign
  const next = isNobody
    ? `there is no Node "${name}" and never was a margayd of it. If somebody changed the record by hand, put it back, and the pods keep their addresses: ${putBack(first.cidr, first.others[0].node)}`
    : 'delete those pods first; margayctl ipam check names them'
  const more = endangered.length > 1 ? ` (and ${endangered.length - 1} more)` : ''
  return `block ${first.cidr}${more} of node "${name}" has ${notedText(first.others)}: freed, it is claimed by any node, which may give these addresses again; ${next}. --force frees it all the same`
}

/** What would go, and what speaks against it. */
export function planText({ name, node, unread, peers, blocks, copies }: Plan, { signs, unasked }: Life): string {
  return [
    `node "${name}"${node || unread !== undefined ? '' : ', whose Node is gone already'}`,
    ...(node ? [`  its Node goes`] : []),
    ...(unread === undefined
      ? []
      : [
          `  its Node goes, which cannot be read: ${unread}`,
          '  ! not known: its addresses, so it was not pinged; see for yourself that the machine is off',
        ]),
    ...peers.map(peer => `  bgppeer "${peer}" goes, which is for this node alone`),
    ...blocks.flatMap(({ cidr, used, others }) => [
      `  block ${cidr} goes back to its pool (${used} in use when it was last heard of)`,
      ...(others.length > 0 ? [`  ! in use by others: ${notedText(others)} are in block ${cidr}`] : []),
    ]),
    ...copies.map(
      ({ name: copy, used }) =>
        `  note "${copy}" goes, of addresses outside its blocks (${used} in use when it was written)`,
    ),
    ...signs.map(sign => `  ! alive? ${sign}`),
    ...unasked.map(sentence => `  ! not known: ${sentence}`),
  ].join('\n')
}

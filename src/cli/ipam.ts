// `margayctl ipam`: blocks and addresses, what is wrong with them, and what can be taken back.

import type { Command } from 'commander'
import { bitsOf, contains, formatPrefix, parseAddress, parsePrefix, type Prefix, sizeOf } from '../../inet/index.ts'
import type { IpamAddress, IpamBlock, IpamView } from '../api/contract.ts'
import { type Datastore, StoreError } from '../datastore/contract.ts'
import { allBlocks, allEntries } from '../ipam/claims.ts'
import { allAddresses, reassign } from '../ipam/index.ts'
import { parseResource } from '../resources/index.ts'
import { ask, type Context, withDatastore } from './context.ts'
import { checkIpam } from './ipam-check.ts'
import { CommandError, print, table } from './output.ts'

export function registerIpam(program: Command, context: Context): void {
  const ipam = program.command('ipam').description('addresses')
  ipam
    .command('show')
    .argument('[address]', 'who has it, in the whole cluster')
    .option('--pools', 'how full the pools are')
    .description('blocks of this node and the addresses given out of them')
    .action(async (address: string | undefined, { pools = false }: { readonly pools?: boolean }) => {
      if (address !== undefined) return withStore(context, store => showAddress(context, store, address))
      if (pools) return withStore(context, store => showPools(context, store))
      const view = await ask(context, '/v1/ipam', {})
      print(context.format(), view, () => ipamText(view))
    })
  ipam
    .command('check')
    .option('--fix', 'put right what provably nobody needs')
    .description('whether blocks, addresses, pods and routes agree, in the cluster and on this node')
    .action(({ fix = false }: { readonly fix?: boolean }) => checkIpam(context, { fix }))
  ipam
    .command('release')
    .argument('<address>', 'that no pod of this node is attached with')
    .description('take an address back')
    .action(async (address: string) => {
      const answer = await ask(context, '/v1/ipam/release', { address })
      print(context.format(), answer, () => `released: ${answer.released.join(', ') || 'nothing: a pod has taken it'}`)
    })
  ipam
    .command('reassign')
    .argument('<block>', 'whose record names a node that is not there')
    .argument('<node>', 'whose pods have addresses in it')
    .description('put back the record of a block that somebody changed by hand')
    .action(async (text: string, node: string) => {
      const block = parsePrefix(text)
      if (!block) throw new CommandError(2, `${text} is no block: write it like 10.42.0.0/26`)
      await withDatastore(context, async store => {
        const obstacle = await reassign(store, block, node)
        if (obstacle !== undefined) throw new CommandError(1, obstacle)
        const cidr = formatPrefix(block)
        print(context.format(), { reassigned: { cidr, node } }, () => `block ${cidr} is node "${node}"'s`)
      })
    })
  ipam
    .command('gc')
    .description('take back addresses of pods that are gone, and give empty blocks back now')
    .action(async () => {
      const answer = await ask(context, '/v1/ipam/gc', {})
      print(context.format(), answer, () =>
        [
          `addresses taken back: ${answer.released.join(', ') || 'none'}`,
          `blocks given back: ${answer.blocks.join(', ') || 'none'}`,
        ].join('\n'),
      )
      if (answer.kept !== undefined) throw new CommandError(1, answer.kept)
    })
}

export function ipamText(view: IpamView): string {
  const problems = view.problems.map(problem => `! ${problem}`).join('\n')
  const claims = view.expelled === undefined && view.addresses.length === 0
  const noBlock = `${view.node} owns no block${claims ? ': it claims one with its next pod' : ''}`
  return [...tables(view, noBlock), ...(problems === '' ? [] : [problems])].join('\n\n')
}

function tables(view: IpamView, noBlock: string): readonly string[] {
  const blocks =
    view.blocks.length === 0
      ? noBlock
      : table<IpamBlock>(
          [
            { head: 'BLOCK', cell: block => block.cidr },
            { head: 'POOL', cell: block => block.pool },
            { head: 'SIZE', cell: block => block.size, align: 'right' },
            { head: 'USED', cell: block => block.used, align: 'right' },
            { head: 'FREE', cell: block => block.size - block.used, align: 'right' },
          ],
          view.blocks,
        )
  if (view.addresses.length === 0) return [blocks]
  const addresses = table<IpamAddress>(
    [
      { head: 'ADDRESS', cell: row => row.address },
      { head: 'BLOCK', cell: row => row.block || 'none of this node' },
      { head: 'POD', cell: row => row.label },
      { head: 'CONTAINER', cell: row => row.containerId.slice(0, 13) },
      { head: 'INTERFACE', cell: row => row.ifName },
      { head: 'SINCE', cell: row => row.since },
    ],
    view.addresses,
  )
  return [blocks, addresses]
}

async function withStore(context: Context, work: (store: Datastore) => Promise<void>): Promise<void> {
  const store = await context.datastore({ create: false })
  try {
    await work(store)
  } catch (error) {
    if (error instanceof StoreError) throw new CommandError(1, error.message)
    throw error
  } finally {
    await store.close()
  }
}

async function showAddress(context: Context, store: Datastore, text: string): Promise<void> {
  const address = parseAddress(text)
  if (!address) throw new CommandError(2, `${text} is no IP address`)
  const block = (await allBlocks(store)).find(({ prefix }) => contains(prefix, address))
  const uses = (await allAddresses(store)).filter(row => row.address === text)
  if (!block && uses.length === 0) throw new CommandError(3, `address ${text}: no node owns a block that holds it`)
  print(context.format(), { address: text, block: block?.cidr, node: block?.node, uses }, () => {
    const where = block ? `block ${block.cidr} of node "${block.node}", pool "${block.pool}"` : 'no block that is owned'
    const whom = uses.map(use => `${use.label ?? use.containerId} on node "${use.node}" since ${use.since}`)
    return `${text}: ${where}; given to ${whom.join(' and to ') || 'nobody, as far as noted'}`
  })
}

interface PoolUse {
  readonly pool: string
  readonly cidr: string
  /** `2^80` where it is more than a number says exactly. */
  readonly size: number | string
  readonly blocks: number
  /** Addresses in blocks that nodes own. */
  readonly owned: number
  readonly used: number
}

export function sizeText(range: Prefix): number | string {
  const size = sizeOf(range)
  return Number.isFinite(size) ? size : `2^${bitsOf(range.family) - range.length}`
}

async function showPools(context: Context, store: Datastore): Promise<void> {
  const blocks = await allBlocks(store)
  const used = (await allAddresses(store)).flatMap(row => parseAddress(row.address) ?? [])
  const pools = (await allEntries(store, 'IPPool')).flatMap(({ value }): PoolUse[] => {
    const parsed = parseResource(value)
    if (!parsed.ok || parsed.resource.kind !== 'IPPool') return []
    const { metadata, spec } = parsed.resource
    const range = parsePrefix(spec.cidr)
    if (!range) return []
    const within = blocks.filter(({ prefix }) => contains(range, prefix))
    return [
      {
        pool: metadata.name,
        cidr: spec.cidr,
        size: sizeText(range),
        blocks: within.length,
        owned: within.reduce((sum, { prefix }) => sum + sizeOf(prefix), 0),
        used: used.filter(address => contains(range, address)).length,
      },
    ]
  })
  print(context.format(), pools, () =>
    table<PoolUse>(
      [
        { head: 'POOL', cell: row => row.pool },
        { head: 'CIDR', cell: row => row.cidr },
        { head: 'SIZE', cell: row => row.size, align: 'right' },
        { head: 'BLOCKS', cell: row => row.blocks, align: 'right' },
        { head: 'OWNED', cell: row => row.owned, align: 'right' },
        { head: 'USED', cell: row => row.used, align: 'right' },
      ],
      pools,
    ),
  )
}

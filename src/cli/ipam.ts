// `margayctl ipam show`: blocks of this node and the addresses given out of them.

import type { Command } from 'commander'
import type { IpamAddress, IpamBlock, IpamView } from '../api/contract.ts'
import { ask, type Context } from './context.ts'
import { print, table } from './output.ts'

export function registerIpam(program: Command, context: Context): void {
  const ipam = program.command('ipam').description('addresses')
  ipam
    .command('show')
    .description('blocks of this node and the addresses given out of them')
    .action(async () => {
      const view = await ask(context, '/v1/ipam', {})
      print(context.format(), view, () => ipamText(view))
    })
}

export function ipamText(view: IpamView): string {
  if (view.blocks.length === 0) return `${view.node} owns no block yet: it claims one with its first pod`
  const blocks = table<IpamBlock>(
    [
      { head: 'BLOCK', cell: block => block.cidr },
      { head: 'POOL', cell: block => block.pool },
      { head: 'SIZE', cell: block => block.size, align: 'right' },
      { head: 'USED', cell: block => block.used, align: 'right' },
      { head: 'FREE', cell: block => block.size - block.used, align: 'right' },
    ],
    view.blocks,
  )
  if (view.addresses.length === 0) return blocks
  const addresses = table<IpamAddress>(
    [
      { head: 'ADDRESS', cell: row => row.address },
      { head: 'BLOCK', cell: row => row.block },
      { head: 'POD', cell: row => row.label },
      { head: 'CONTAINER', cell: row => row.containerId.slice(0, 13) },
      { head: 'INTERFACE', cell: row => row.ifName },
      { head: 'SINCE', cell: row => row.since },
    ],
    view.addresses,
  )
  return `${blocks}\n\n${addresses}`
}

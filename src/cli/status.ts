// `margayctl status`: is this node all right, and if not, what to do.

import type { Command } from 'commander'
import type { DaemonStatus } from '../api/contract.ts'
import { ask, type Context } from './context.ts'
import { duration, print } from './output.ts'

export function registerStatus(program: Command, context: Context): void {
  program
    .command('status')
    .description('this node at a glance: datastore, sessions, routes, and what stands in the way')
    .action(async () => {
      const status = await ask(context, '/v1/status', {})
      print(context.format(), status, () => statusText(status))
    })
}

export function statusText(status: DaemonStatus): string {
  const lines = [
    `${status.node}  margayd ${status.version}, pid ${status.pid}, up ${duration(status.uptime)}`,
    `  datastore  ${status.datastore.type}, ${status.datastore.state}${status.datastore.text ? `: ${status.datastore.text}` : ''}`,
    `  BGP        AS ${status.asn ?? 'unknown'}, ${status.peers.established} of ${status.peers.configured} sessions Established`,
    `  blocks     ${status.blocks.join(', ') || 'none'}`,
    `  pods       ${status.endpoints}${status.unchecked.length > 0 ? `, of which may send from any address: ${status.unchecked.join(', ')}` : ''}`,
    `  routes     ${status.routes.installed} in the kernel${status.inSync ? '' : `, waiting for ${status.waitingFor.join(', ')}`}`,
  ]
  if (status.drain) lines.push(`  drain      ${status.drain.phase}: ${status.drain.text}`)
  for (const wait of status.waits) lines.push(`  change     ${wait}`)
  const problems = [...status.problems, ...status.routes.conflicts.map(({ prefix, text }) => `${prefix}: ${text}`)]
  return [...lines, ...problems.map(problem => `  ! ${problem}`)].join('\n')
}

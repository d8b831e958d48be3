// `margayctl route get IP`: why packets to an address leave as they do.

import type { Command } from 'commander'
import { parseAddress } from '../../inet/index.ts'
import type { RouteAnswer } from '../api/contract.ts'
import type { FibEntry } from '../model/fib.ts'
import { routesText } from './bgp.ts'
import { ask, type Context } from './context.ts'
import { CommandError, print } from './output.ts'

export function registerRoute(program: Command, context: Context): void {
  const route = program.command('route').description('how packets leave this node')
  route
    .command('get')
    .argument('<ip>', 'an address')
    .description('which prefix decides for an address, by whom, and whether the kernel holds it')
    .action(async (ip: string) => {
      if (!parseAddress(ip))
        throw new CommandError(2, `${ip} is no IP address: give one like 10.42.0.7 or fd00::7, without a length`)
      const answer = await ask(context, '/v1/route', { ip })
      print(context.format(), answer, () => routeText(answer))
      if (answer.prefix === undefined) process.exitCode = 3
    })
}

export function routeText(answer: RouteAnswer): string {
  const head =
    answer.prefix === undefined
      ? `${answer.address}: no route`
      : `${answer.address} by ${answer.prefix} (${answer.owner})${answer.entry ? `: ${leaves(answer.entry)}` : ''}${answer.installed ? '' : ', NOT in the kernel'}`
  const paths = answer.paths.length > 0 ? ['', routesText(answer.paths)] : []
  return [head, ...answer.explanation.map(sentence => `  ${sentence}`), ...paths].join('\n')
}

function leaves(entry: FibEntry): string {
  if (entry.kind === 'unreachable') return 'unreachable'
  return entry.nextHops
    .map(({ gateway, device, weight }) => {
      const way = gateway === undefined ? `dev ${device}` : `via ${gateway} dev ${device}`
      return weight === undefined ? way : `${way} weight ${weight}`
    })
    .join(' and ')
}

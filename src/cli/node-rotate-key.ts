// `margayctl node rotate-key`: another WireGuard key for this node, while packets flow.

import type { Command } from 'commander'
import { ask, type Context } from './context.ts'
import { print } from './output.ts'

export function registerRotateKey(node: Command, context: Context): void {
  node
    .command('rotate-key')
    .description('give this node another WireGuard key; the old one is of no use from then on')
    .action(async () => {
      const answer = await ask(context, '/v1/wireguard/rotate', {})
      print(
        context.format(),
        answer,
        () => `the new public key is ${answer.publicKey}; margayctl wireguard shows who has answered to it`,
      )
    })
}

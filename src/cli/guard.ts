// `margayctl guard accept`: what would remove very much at once is held back until somebody says that it is meant.

import type { Command } from 'commander'
import { ask, type Context } from './context.ts'
import { print } from './output.ts'

export function registerGuard(program: Command, context: Context): void {
  program
    .command('guard')
    .description('changes that would remove very much at once')
    .command('accept')
    .description('put into force on this node what the guard holds back (status shows it)')
    .action(async () => {
      const answer = await ask(context, '/v1/guard/accept', {})
      print(context.format(), answer, () => answer.accepted.map(text => `accepted: ${text}`).join('\n'))
    })
}

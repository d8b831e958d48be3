// `margayctl node …`: a node that is to rest, to leave, or is gone.

import type { Command } from 'commander'
import type { Context } from './context.ts'
import { registerDecommission } from './node-decommission.ts'
import { registerDrain } from './node-drain.ts'
import { registerReset } from './node-reset.ts'
import { registerRotateKey } from './node-rotate-key.ts'

export function registerNode(program: Command, context: Context): void {
  const node = program.command('node').description('drain a node, give it a new key, clean up after one')
  for (const register of [registerDrain, registerRotateKey, registerReset, registerDecommission])
    register(node, context)
}

// `margayctl node …`: which are there, a node that is to rest, to leave, or is gone, and what its paths to the others carry.

import type { Command } from 'commander'
import type { Context } from './context.ts'
import { registerDecommission } from './node-decommission.ts'
import { registerDrain } from './node-drain.ts'
import { registerNodeList } from './node-list.ts'
import { registerMtu } from './node-mtu.ts'
import { registerReset } from './node-reset.ts'
import { registerRotateKey } from './node-rotate-key.ts'

export function registerNode(program: Command, context: Context): void {
  const node = program
    .command('node')
    .description('see which nodes are alive, drain a node, try its paths, give it a new key, clean up after one')
  for (const register of [
    registerNodeList,
    registerDrain,
    registerMtu,
    registerRotateKey,
    registerReset,
    registerDecommission,
  ])
    register(node, context)
}

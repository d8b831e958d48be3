// `margayctl node drain` and `node undrain`: what the Node says, which its daemon sees at once.

import type { Command } from 'commander'
import { type Datastore, StoreError } from '../datastore/contract.ts'
import { readStored } from '../resources/index.ts'
import type { Context } from './context.ts'
import { CommandError } from './output.ts'
import { unreadText } from './stored-resources.ts'

type Mode = 'WaitForPods' | 'Now'

export function registerDrain(node: Command, context: Context): void {
  node
    .command('drain')
    .argument('[name]', 'which node; default: this one')
    .description('lead traffic away from a node, then withdraw its blocks as their pods end')
    .option('--force', 'withdraw blocks with running pods as well: nobody reaches those pods any more')
    .action(async (name: string | undefined, { force = false }: { force?: boolean }) => {
      const node = name ?? context.config().node.name
      await change(context, node, force ? 'Now' : 'WaitForPods')
      const rest = force
        ? 'its blocks are withdrawn in some seconds, pods or not'
        : 'each block is withdrawn with its last pod'
      process.stdout.write(
        `node "${node}" is being drained: it takes no new pods, its peers are told to take other ways, and ${rest}; margayctl status there says how far it is\n`,
      )
    })

  node
    .command('undrain')
    .argument('[name]', 'which node; default: this one')
    .description('end a drain: the node announces its blocks and takes pods again')
    .action(async (name: string | undefined) => {
      const node = name ?? context.config().node.name
      await change(context, node, undefined)
      process.stdout.write(`node "${node}" is back: it announces its blocks and takes pods\n`)
    })
}

async function change(context: Context, name: string, mode: Mode | undefined): Promise<void> {
  const store = await context.datastore({ create: false })
  try {
    while (!(await tryChange(store, name, mode)));
  } catch (error) {
    if (error instanceof StoreError) throw new CommandError(error.code === 'not-found' ? 3 : 1, error.message)
    throw error
  } finally {
    await store.close()
  }
}

/** False: somebody else has changed the Node meanwhile. */
async function tryChange(store: Datastore, name: string, mode: Mode | undefined): Promise<boolean> {
  const entry = await store.get('Node', name)
  if (!entry) throw new CommandError(3, `there is no node "${name}": margayctl get nodes lists them`)
  const stored = readStored('Node', entry)
  if (!stored.ok) throw new CommandError(1, unreadText(stored))
  const { resource } = stored
  const { drain: before, ...spec } = resource.spec
  if (before === mode) return true
  const value = { ...resource, spec: { ...spec, ...(mode && { drain: mode }) } }
  try {
    await store.update('Node', name, value, entry.version)
    return true
  } catch (error) {
    if (error instanceof StoreError && error.code === 'conflict') return false
    throw error
  }
}

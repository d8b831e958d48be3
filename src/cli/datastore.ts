// `margayctl datastore lock|unlock|delete`: maintenance.

import { hostname } from 'node:os'
import type { Command } from 'commander'
import { type Entry, lockKind, lockName, StoreError } from '../datastore/contract.ts'
import { type Lock, readLock } from '../datastore/lock.ts'
import { isKnownKind, isStrange } from '../ipam/known-kinds.ts'
import { putBack } from '../ipam/misassigned.ts'
import { outsideName } from '../ipam/outside.ts'
import { blockKind, copyKind, nodeOfCopy, readBlock } from '../ipam/records.ts'
import { allKinds, readStored } from '../resources/index.ts'
import { type Context, withDatastore } from './context.ts'
import { CommandError, print } from './output.ts'

export function registerDatastore(program: Command, context: Context): void {
  const datastore = program.command('datastore').description('maintenance of the store')

  datastore
    .command('lock')
    .option('--reason <text>', 'why, for those who meet it')
    .description('hold off every write, for maintenance; networks and pods go on')
    .action(async ({ reason }: { reason?: string }) => {
      await withDatastore(context, async store => {
        const lock: Lock = { since: new Date().toISOString(), by: hostname(), ...(reason !== undefined && { reason }) }
        try {
          await store.create(lockKind, lockName, lock)
        } catch (error) {
          if (!(error instanceof StoreError) || error.code !== 'exists') throw error
          throw new CommandError(1, `the datastore is locked already: ${said(await readLock(store))}`)
        }
        print(context.format(), { locked: lock }, () => 'locked: nothing is written until margayctl datastore unlock')
      })
    })

  datastore
    .command('unlock')
    .description('allow writes again')
    .action(async () => {
      await withDatastore(context, async store => {
        const lock = await readLock(store)
        if (!lock) throw new CommandError(3, 'the datastore is not locked')
        await store.delete(lockKind, lockName)
        print(context.format(), { unlocked: lock }, () => `unlocked; it was locked ${said(lock)}`)
      })
    })

  datastore
    .command('delete')
    .argument('<kind>', 'of the record')
    .argument('<name>', 'of the record')
    .description('delete a record that is none of Margay’s, or that nobody can read')
    .action(async (kind: string, name: string) => {
      await withDatastore(context, async store => {
        const entry = await store.get(kind, name)
        if (!entry) throw new CommandError(3, `there is no record ${kind} ${name}`)
        const reason = stays(entry)
        if (reason !== undefined) throw new CommandError(1, `record ${kind} ${name} stays: ${reason}`)
        await store.delete(kind, name, entry.version)
        print(context.format(), { deleted: { kind, name } }, () => `record ${kind} ${name} deleted`)
      })
    })
}

/** Why nobody should delete the record by hand, and what to do instead; undefined: it is no record that Margay can use. */
export function stays(entry: Entry): string | undefined {
  const { kind, name, value, unreadable, newer } = entry
  if (unreadable !== undefined) return newer === undefined ? undefined : unreadable
  if (!isKnownKind(kind) || isStrange(entry) || name === '') return undefined
  if (kind === blockKind) {
    const { node, cidr } = readBlock(value) ?? { node: '', cidr: name }
    return `node "${node}" has it by this record, and gives it back by itself; if somebody wrote that name into it by hand, put it back: ${putBack(cidr, 'NODE')}; if that machine is off for good: margayctl node decommission ${node}`
  }
  if (kind === copyKind) {
    const node = nodeOfCopy(value) ?? ''
    return name === outsideName(node)
      ? `node "${node}" notes the addresses of its pods outside its blocks there, and deletes it when they have ended; if that machine is off for good: margayctl node decommission ${node}`
      : 'it can be read; if nobody needs it: margayctl ipam check --fix'
  }
  if (kind === lockKind) return 'it is the lock: margayctl datastore unlock'
  const resource = allKinds.find(each => each === kind)
  if (!resource) return 'it is one of those that daemons write, and they delete it themselves'
  return readStored(resource, entry).ok ? `it is a resource: margayctl delete ${kind.toLowerCase()} ${name}` : undefined
}

function said(lock: Lock | undefined): string {
  return lock ? `by ${lock.by} at ${lock.since}${lock.reason ? ` (${lock.reason})` : ''}` : 'by somebody'
}

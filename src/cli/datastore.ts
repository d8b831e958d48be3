// `margayctl datastore lock|unlock`: maintenance.

import { hostname } from 'node:os'
import type { Command } from 'commander'
import { lockKind, lockName, StoreError } from '../datastore/contract.ts'
import { type Lock, readLock } from '../datastore/lock.ts'
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
}

function said(lock: Lock | undefined): string {
  return lock ? `by ${lock.by} at ${lock.since}${lock.reason ? ` (${lock.reason})` : ''}` : 'by somebody'
}

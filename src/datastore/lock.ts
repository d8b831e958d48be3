// The lock for maintenance: one record that holds off every write but its own removal. Networks and pods go on; what would have to
// be written waits (docs/etcd.md).

import { type Datastore, lockKind, lockName, StoreError } from './contract.ts'

/** What the record says. */
export interface Lock {
  /** ISO 8601. */
  readonly since: string
  /** Host that it was set on. */
  readonly by: string
  readonly reason?: string
}

export function lockedError(value: unknown): StoreError {
  const { since, by, reason } = readFields(value)
  const who = by === undefined ? '' : ` by ${by}, ${since ?? 'some time ago'}`
  return new StoreError(
    'locked',
    `The datastore was locked${who}${reason === undefined ? '' : ` (${reason})`}: nothing is written until margayctl datastore unlock.`,
  )
}

export async function readLock(datastore: Pick<Datastore, 'get'>): Promise<Lock | undefined> {
  const entry = await datastore.get(lockKind, lockName)
  return entry && { since: 'some time', by: 'somebody', ...readFields(entry.value) }
}

/** What of a lock says something: it holds whatever it says, also where no Margay wrote it. */
function readFields(value: unknown): Partial<Lock> {
  const said = Object.entries(value ?? {}).filter(([, text]) => typeof text === 'string')
  return Object.fromEntries(said)
}

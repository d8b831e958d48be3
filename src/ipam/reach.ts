// The datastore cannot be used now: what that means for whoever asked.

import { StoreError, type StoreErrorCode } from '../datastore/contract.ts'
import { IpamError } from './errors.ts'

/** What to wait for, or to do, before the same request can succeed. The other codes say that somebody else was faster. */
const next: Partial<Readonly<Record<StoreErrorCode, string>>> = {
  unreachable: 'try again when the datastore is back.',
  locked: 'try again when it is unlocked.',
  unauthorised:
    'put the right credentials in place, or grant the right, as docs/etcd.md says; they are read again without a restart.',
}

/** Of the datastore, which does not answer or lets nothing through; the node's own store fails with IpamErrors (local.ts). */
export function isAway(error: unknown): error is StoreError {
  return error instanceof StoreError && next[error.code] !== undefined
}

/** Runs what needs the datastore; if that cannot be used, says what for. */
export async function reach<T>(node: string, purpose: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isAway(error)) throw error
    throw new IpamError(
      'unreachable',
      `node "${node}": cannot ${purpose}: ${error.message} Addresses that were given stay; ${next[error.code]}`,
    )
  }
}

// The datastore is away: what that means for whoever asked.

import { StoreError } from '../datastore/contract.ts'
import { IpamError } from './errors.ts'

/** Of the datastore; the node's own store fails with IpamErrors (local.ts). */
export function isUnreachable(error: unknown): error is StoreError {
  return error instanceof StoreError && error.code === 'unreachable'
}

/** Runs what needs the datastore; if that cannot be reached, says what for. */
export async function reach<T>(node: string, purpose: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isUnreachable(error)) throw error
    throw new IpamError(
      'unreachable',
      `node "${node}": cannot ${purpose}: ${error.message} Addresses that were given stay; try again when the datastore is back.`,
    )
  }
}

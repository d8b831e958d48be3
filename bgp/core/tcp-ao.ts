// Keys of TCP-AO (RFC 5925), as lists that come after one another.

import type { TcpAoIds, TcpAoKey } from '../types.ts'

type Keys = readonly TcpAoKey[] | undefined

/** The key that connections begin with, and that the peer is asked to send with. */
export function preferredKey(keys: readonly TcpAoKey[]): TcpAoKey | undefined {
  return keys.find(key => key.preferred) ?? keys[0]
}

/** Whether the ids say the same key to both. */
export function sameIds(a: TcpAoIds, b: TcpAoIds): boolean {
  return a.sendId === b.sendId && a.receiveId === b.receiveId
}

/** Whether it is the very same key, preferred or not. */
export function sameKey(a: TcpAoKey, b: TcpAoKey): boolean {
  return sameIds(a, b) && a.secret === b.secret && a.algorithm === b.algorithm && (a.maclen ?? 12) === (b.maclen ?? 12)
}

/**
 * Whether a connection with the keys from before can go on with those of now. It is made with TCP-AO or without (RFC 5925
 * §7.4.1), and a key that it knows does not change (§3.1): an id that meant another key needs a new one.
 */
export function keepConnection(before: Keys = [], now: Keys = []): boolean {
  if (before.length === 0 || now.length === 0) return before.length === now.length
  return now.every(key =>
    before.every(old => sameKey(old, key) || (old.sendId !== key.sendId && old.receiveId !== key.receiveId)),
  )
}

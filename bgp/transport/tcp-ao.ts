// Keys of TCP-AO (RFC 5925) on listeners and open connections: from those of before to those of now, without a moment in which a
// peer that has one of each is not heard.
//
// What a connection sends with is the peer's choice: we ask for the preferred key in every segment (RNextKeyID), and it changes
// over when it has it (§7.5.2). So the two ends may add, prefer and remove keys in any order, each a while after the other.

import { preferredKey, sameIds, sameKey } from '../core/tcp-ao.ts'
import type { TcpAoIds, TcpAoKey } from '../types.ts'
import type { TcpAoMaker } from './transport.ts'

/** Keys by address or prefix, without zone: a listener knows no links. */
export type KeyPlaces = ReadonlyMap<string, readonly TcpAoKey[]>

/** Does it, and tells of what could not be done at that place. */
export type Attempt = (place: string, act: () => void) => void

/** What has no keys any more has none on the listener. Comes before new keys, of whatever kind, so that they find room. */
export function removePlaces(ao: TcpAoMaker, fd: number, before: KeyPlaces, now: KeyPlaces, attempt: Attempt): void {
  for (const [place, keys] of before) {
    if (!now.has(place)) for (const key of keys) attempt(place, () => remove(ao, fd, place, key))
  }
}

/** New keys first, then the old ones go; only where an id means another key now, the old one goes first. */
export function changePlaces(ao: TcpAoMaker, fd: number, before: KeyPlaces, now: KeyPlaces, attempt: Attempt): void {
  for (const [place, keys] of now) {
    const old = before.get(place) ?? []
    const gone = old.filter(one => !keys.some(key => sameKey(key, one)))
    const clashes = ({ sendId, receiveId }: TcpAoIds) =>
      keys.some(key => key.sendId === sendId || key.receiveId === receiveId)
    for (const key of gone.filter(clashes)) attempt(place, () => remove(ao, fd, place, key))
    for (const key of keys.filter(key => !old.some(one => sameKey(key, one)))) {
      attempt(place, () => ao.add(fd, place, key))
    }
    for (const key of gone.filter(key => !clashes(key))) attempt(place, () => remove(ao, fd, place, key))
  }
}

/** Brings an open connection to these keys, from those that the kernel says it has. Throws if it was made without TCP-AO. */
export function changeConnection(ao: TcpAoMaker, fd: number, remote: string, keys: readonly TcpAoKey[]): void {
  const has = ao.keys(fd)
  if (!has) throw new Error('the connection was made without TCP-AO')
  const preferred = preferredKey(keys)
  for (const key of keys) if (!has.some(one => sameIds(one, key))) ao.add(fd, remote, key)
  if (preferred && !has.some(one => sameIds(one, preferred) && one.requested)) ao.request(fd, preferred.receiveId)
  for (const one of has) {
    if (keys.some(key => sameIds(one, key))) continue
    try {
      ao.delete(fd, one.remote, one)
    } catch (error) {
      // The peer has not asked for another yet, and this one is not to be used any more.
      if (!isCode(error, 'EBUSY')) throw error
      ao.delete(fd, one.remote, one, preferred)
    }
  }
}

/** To take away a key that is not there is no error. */
function remove(ao: TcpAoMaker, fd: number, place: string, key: TcpAoIds): void {
  try {
    ao.delete(fd, place, key)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

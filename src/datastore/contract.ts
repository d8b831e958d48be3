// The cluster's shared state, seen through one small contract (design §5).
//
// One record = one key = (kind, name). Versions are opaque and per key; there is no multi-key transaction and no global
// revision, so that sqlite, etcd and Kubernetes can all keep the contract. The store does not know what values mean.

import type { Presence } from './presence.ts'

/** Opaque; compare only for equality. */
export type Version = string & { readonly _: 'Version' }

export interface Entry {
  readonly kind: string
  readonly name: string
  readonly version: Version
  /** JSON. */
  readonly value: unknown
  /**
   * Why this Margay cannot read the record, and what to do, without kind and name: `value` is empty, and an update fails with `conflict`.
   * A delete does not.
   */
  readonly unreadable?: string
  /** It is unreadable because a newer Margay wrote it, in this layout. */
  readonly newer?: number
}

export interface Page {
  readonly entries: readonly Entry[]
  /** Pass it to the next `list`; undefined = that was the last page. */
  readonly next: string | undefined
}

/**
 * What a watcher hears. First one complete `snapshot` (which also follows every loss: diff it against what you hold), then events.
 * A `bookmark` says that all that was committed before it has been told. `lost`: the store cannot be reached; what you hold stays in
 * force and a new snapshot follows when it is back. It is told again when there is another reason.
 */
export type WatchEvent =
  | { readonly type: 'snapshot'; readonly entries: readonly Entry[] }
  | { readonly type: 'put'; readonly entry: Entry }
  | { readonly type: 'delete'; readonly kind: string; readonly name: string }
  | { readonly type: 'bookmark' }
  | { readonly type: 'lost'; readonly reason: string }

/**
 * `unauthorised`: the store does not take our credentials, or does not allow that. `locked`: an operator holds off writes
 * (`lockKind`). After `unreachable` a write may have been done, or still be: read before you rely on either.
 */
export type StoreErrorCode = 'conflict' | 'not-found' | 'exists' | 'unreachable' | 'unauthorised' | 'locked'

/** While there is a record of this kind, all other writes fail with `locked`. Only one is ever made: `lockName`. */
export const lockKind = 'DatastoreLock'
export const lockName = 'default'

/** The record that tells one cluster from another: made by the first daemon, never changed (Calico's kind and field). */
export const clusterIdentity = { kind: 'ClusterInformation', name: 'default' } as const

/**
 * In the place of an identity while an import is under way, with that of the cluster whose records it writes: who was in that cluster finds
 * no identity yet, and who was in none takes the records for no cluster before all are there.
 */
export interface UnfinishedImport {
  readonly importOf: unknown
}

/** Of the record in the place of the identity. Undefined: it is one, or there is none. */
export function unfinishedImport(entry: Pick<Entry, 'kind' | 'value'> | undefined): UnfinishedImport | undefined {
  const { kind, value } = entry ?? {}
  const isMarker = kind === clusterIdentity.kind && typeof value === 'object' && value !== null && 'importOf' in value
  return isMarker ? value : undefined
}

/** The command that deletes a record of any kind. */
export function deletion(kind: string, name: string): string {
  return `margayctl datastore delete ${[kind, name].map(asWord).join(' ')}`
}

/** As a shell takes it for one word. */
export function asWord(text: string): string {
  return /^[\w.:@%+=,/-][\w.:@%+=,/~-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** Thrown by every call of a store; `message` names the object, the reason and the next step. */
export class StoreError extends Error {
  readonly code: StoreErrorCode
  constructor(code: StoreErrorCode, message: string) {
    super(message)
    this.name = 'StoreError'
    this.code = code
  }
}

export interface Datastore {
  get(kind: string, name: string): Promise<Entry | undefined>
  /** Ordered by name. `limit` defaults to 500. */
  list(kind: string, page?: { readonly next?: string; readonly limit?: number }): Promise<Page>
  /** Fails with `exists` if the key is there: the way to own something by one record. */
  create(kind: string, name: string, value: unknown): Promise<Version>
  /** Fails with `conflict` unless the stored version is `version`, with `not-found` if the key is gone. */
  update(kind: string, name: string, value: unknown, version: Version): Promise<Version>
  /** With `version`: only if that is the stored one. */
  delete(kind: string, name: string, version?: Version): Promise<void>
  /** Writes nothing, and fails as every write would now: locked, not allowed, no room, not there. */
  tryWrite(): Promise<void>
  /** Those that have records, ordered. */
  kinds(): Promise<readonly string[]>
  /** Kinds under which nothing is watched (status, address copies) are simply never named here. */
  watch(kinds: readonly string[], signal: AbortSignal): AsyncIterable<WatchEvent>
  close(): Promise<void>
}

/** What a cluster's store is to its daemons and to the operator. */
export type ClusterStore = Datastore & Presence

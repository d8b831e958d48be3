// The cluster's store in etcd v3.
//
// Every write is one transaction that compares the record's revision and, if it differs, reads the record instead. A write carries
// a random word: whoever does not hear the answer repeats the very same transaction, at another member if need be, and finds
// either that it goes through now or its own word in the record. So a write is made once however often it is sent.

import { CompareResult, CompareTarget, type ICompare, type IKeyValue, type IRequestOp, type ITxnResponse } from 'etcd3'
import { type ClusterStore, type Entry, lockKind, lockName, type Page, StoreError, type Version } from '../contract.ts'
import { revisionOf, writable } from '../envelope.ts'
import { lockedError } from '../lock.ts'
import type { Sign } from '../presence.ts'
import { EtcdClient } from './client.ts'
import { EtcdPresence } from './presence.ts'
import { isFrom, Keys, newWrite, tryKind, wrap } from './record.ts'
import type { EtcdSettings } from './settings.ts'
import { watchEtcd } from './watch.ts'

/** Nothing is dialled before the first call. */
export function openEtcdDatastore(settings: EtcdSettings, client = new EtcdClient(settings)): ClusterStore {
  return new EtcdDatastore(client)
}

class EtcdDatastore implements ClusterStore {
  readonly #client: EtcdClient
  readonly #keys: Keys
  readonly #presence: EtcdPresence
  readonly #closed = new AbortController()

  constructor(client: EtcdClient) {
    this.#client = client
    this.#keys = new Keys(client.settings.prefix)
    this.#presence = new EtcdPresence(client, this.#keys)
  }

  async get(kind: string, name: string): Promise<Entry | undefined> {
    const { kvs } = await this.#client.run((etcd, options) =>
      etcd.kv.range({ key: this.#keys.of(kind, name) }, options),
    )
    return kvs[0] && this.#keys.entry(kvs[0])
  }

  async list(kind: string, page?: { readonly next?: string; readonly limit?: number }): Promise<Page> {
    const limit = page?.limit ?? this.#client.settings.pageSize
    const { kvs, more } = await this.#client.run((etcd, options) =>
      etcd.kv.range({ ...this.#keys.range(kind, page?.next), limit }, options),
    )
    const entries = kvs.map(kv => this.#keys.entry(kv))
    return { entries, next: more ? entries.at(-1)?.name : undefined }
  }

  async create(kind: string, name: string, value: unknown): Promise<Version> {
    const key = this.#keys.of(kind, name)
    const compare: ICompare = { key, target: CompareTarget.Create, result: CompareResult.Equal, create_revision: 0 }
    return this.#put(kind, name, value, compare, () => {
      return new StoreError('exists', `${kind} ${name} exists already. Read it, and update it if it shall change.`)
    })
  }

  async update(kind: string, name: string, value: unknown, version: Version): Promise<Version> {
    const revision = writable(kind, name, version)
    return this.#put(kind, name, value, this.#isAt(kind, name, revision), () => changed(kind, name))
  }

  async delete(kind: string, name: string, version?: Version): Promise<void> {
    for (;;) {
      const compared = version ?? (await this.get(kind, name))?.version
      if (compared === undefined) throw missing(kind, name)
      const request = { request_delete_range: { key: this.#keys.of(kind, name) } }
      const { answer, again } = await this.#write(kind, name, this.#isAt(kind, name, revisionOf(compared)), request)
      if (answer.succeeded) return
      const found = this.#found(kind, answer)
      if (!found && again) return // by a try whose answer was lost
      if (!found) throw missing(kind, name)
      if (version !== undefined) throw changed(kind, name)
    }
  }

  /** A transaction whose condition nothing meets: etcd looks at rights and room all the same. */
  async tryWrite(): Promise<void> {
    const key = this.#keys.of(tryKind, '')
    const never: ICompare = { key, target: CompareTarget.Version, result: CompareResult.Less, version: 0 }
    const { answer } = await this.#write(tryKind, '', never, { request_put: { key, value: Buffer.alloc(0) } })
    this.#found(tryKind, answer)
  }

  /** One short read a kind: from the last name of one to the first of the next. */
  async kinds(): Promise<readonly string[]> {
    const kinds: string[] = []
    for (let from = this.#keys.all.key; ;) {
      const request = { key: from, range_end: this.#keys.all.range_end, limit: 1, keys_only: true }
      const [kv] = (await this.#client.run((etcd, options) => etcd.kv.range(request, options))).kvs
      if (!kv) return kinds
      const { kind } = this.#keys.parse(kv.key)
      kinds.push(kind)
      from = this.#keys.range(kind).range_end
    }
  }

  watch(kinds: readonly string[], signal: AbortSignal) {
    return watchEtcd(this.#client, this.#keys, kinds, AbortSignal.any([signal, this.#closed.signal]))
  }

  keepAlive(name: string, about: unknown, seconds: number): Promise<void> {
    return this.#presence.keepAlive(name, about, seconds)
  }

  sign(name: string): Promise<Sign | undefined> {
    return this.#presence.sign(name)
  }

  signs(): Promise<readonly Sign[]> {
    return this.#presence.signs()
  }

  forget(name: string): Promise<void> {
    return this.#presence.forget(name)
  }

  async close(): Promise<void> {
    this.#closed.abort()
    this.#client.close()
  }

  async #put(kind: string, name: string, value: unknown, compare: ICompare, taken: () => StoreError): Promise<Version> {
    const write = newWrite()
    const put = { request_put: { key: this.#keys.of(kind, name), value: wrap(value, write) } }
    const { answer } = await this.#write(kind, name, compare, put)
    if (answer.succeeded) return answer.header.revision as Version
    const found = this.#found(kind, answer)
    if (!found) throw missing(kind, name)
    if (isFrom(found, write)) return found.mod_revision as Version
    throw taken()
  }

  /** `again`: it was sent more than once. */
  async #write(
    kind: string,
    name: string,
    compare: ICompare,
    success: IRequestOp,
  ): Promise<{ readonly answer: ITxnResponse; readonly again: boolean }> {
    const [key, lock] = [this.#keys.of(kind, name), this.#keys.of(lockKind, lockName)]
    const unlocked: ICompare = {
      key: lock,
      target: CompareTarget.Create,
      result: CompareResult.Equal,
      create_revision: 0,
    }
    return this.#client.run(async (etcd, options, again) => {
      const answer = await etcd.kv.txn(
        {
          compare: kind === lockKind ? [compare] : [compare, unlocked],
          success: [success],
          failure: [{ request_range: { key } }, { request_range: { key: lock } }],
        },
        options,
      )
      return { answer, again }
    })
  }

  /** The record that a write met in the place of what it expected. Throws if the lock is what stood in its way. */
  #found(kind: string, { responses }: ITxnResponse): IKeyValue | undefined {
    const [record, lock] = responses.map(response => response.response_range.kvs[0])
    if (lock && kind !== lockKind) throw lockedError(this.#keys.entry(lock).value)
    return record
  }

  #isAt(kind: string, name: string, revision: string): ICompare {
    // A version of another store is none of this one's.
    const mod_revision = /^\d+$/.test(revision) ? revision : '-1'
    return { key: this.#keys.of(kind, name), target: CompareTarget.Mod, result: CompareResult.Equal, mod_revision }
  }
}

function missing(kind: string, name: string): StoreError {
  return new StoreError('not-found', `${kind} ${name} does not exist. List what there is, or create it.`)
}

function changed(kind: string, name: string): StoreError {
  return new StoreError(
    'conflict',
    `${kind} ${name} was changed by somebody else meanwhile. Read it again and repeat the change.`,
  )
}

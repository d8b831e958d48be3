// A watch on etcd: a list of all its kinds at one revision, then a stream from the next revision on, so nothing is missed between.
//
// A stream that ends, for whatever reason, is followed by a new list: what came meanwhile may be compacted, and the store may be
// another one by now. `lost` is told only if that list fails too, so a member that dies while others live is a new snapshot and
// nothing more.

import { setTimeout as sleep } from 'node:timers/promises'
import type { IWatchResponse } from 'etcd3'
import { type Entry, StoreError, type WatchEvent } from '../contract.ts'
import type { EtcdClient, WatchStream } from './client.ts'
import { Compacted, isCompacted } from './errors.ts'
import type { Keys } from './record.ts'

const slowestRetry = 5_000

export async function* watchEtcd(
  client: EtcdClient,
  keys: Keys,
  kinds: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void> {
  /** Why it is lost, as it was told. */
  let lost: string | undefined
  for (let failures = 0; !signal.aborted;) {
    try {
      for await (const event of follow(client, keys, kinds, signal)) {
        failures = 0
        lost = undefined
        yield event
      }
    } catch (error) {
      if (signal.aborted) return
      if (isCompacted(error)) continue
      // A stream that broke is tried again at once; what fails then is told.
      const { reason } = client.fault(error)
      const isNew = lost === undefined || withoutTimes(reason) !== withoutTimes(lost)
      if (isNew && (failures > 0 || error instanceof StoreError)) {
        lost = reason
        yield { type: 'lost', reason }
      }
      failures++
      const wait = Math.min(100 * 2 ** failures, slowestRetry)
      await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
    }
  }
}

/** How long one waited is another number each time. */
function withoutTimes(reason: string): string {
  return reason.replaceAll(/\b[\d.]+ s\b/g, '')
}

/** Snapshot and events until the stream breaks, which throws. */
async function* follow(
  client: EtcdClient,
  keys: Keys,
  kinds: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void> {
  const { entries, revision } = await listAll(client, keys, kinds)
  const stream = await client.openWatch()
  const cancel = (): void => stream.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  if (signal.aborted) cancel() // while it was listed
  // A member that takes the stream and says nothing is as good as none.
  const silent = setTimeout(cancel, client.settings.timeout)
  try {
    for (const kind of kinds)
      stream.write({ create_request: { ...keys.range(kind), start_revision: String(BigInt(revision) + 1n) } })
    let waiting = kinds.length
    /** What came for one kind before the watches of all were there. */
    const early: WatchEvent[] = []
    for await (const response of responses(stream)) {
      if (response.canceled) throw cancelled(response)
      const events = eventsOf(response, keys)
      if (waiting === 0) yield* events
      else early.push(...events)
      if (!response.created || --waiting > 0) continue
      clearTimeout(silent)
      yield { type: 'snapshot', entries }
      yield* early.splice(0)
    }
    if (!signal.aborted) throw new Error('it ended the watch')
  } finally {
    clearTimeout(silent)
    signal.removeEventListener('abort', cancel)
    cancel()
  }
}

/** All records of the kinds at one revision, page by page. */
async function listAll(
  client: EtcdClient,
  keys: Keys,
  kinds: readonly string[],
): Promise<{ readonly entries: readonly Entry[]; readonly revision: string }> {
  const entries: Entry[] = []
  let revision: string | undefined
  for (const kind of kinds.toSorted()) {
    let after: string | undefined
    do {
      const request = { ...keys.range(kind, after), limit: client.settings.pageSize, revision }
      const page = await client.run((etcd, options) => etcd.kv.range(request, options))
      revision ??= page.header.revision
      const found = page.kvs.map(kv => keys.entry(kv))
      entries.push(...found)
      after = page.more ? found.at(-1)?.name : undefined
    } while (after !== undefined)
  }
  return { entries, revision: revision ?? '0' }
}

function responses(stream: WatchStream): AsyncIterable<IWatchResponse> {
  return stream // a Readable in object mode, whose type does not tell of what
}

function eventsOf(response: IWatchResponse, keys: Keys): readonly WatchEvent[] {
  const events = response.events.map(({ type, kv }): WatchEvent =>
    type === 'Delete' ? { type: 'delete', ...keys.parse(kv.key) } : { type: 'put', entry: keys.entry(kv) },
  )
  return events.length === 0 ? [] : [...events, { type: 'bookmark' }]
}

function cancelled(response: IWatchResponse): Error {
  if (response.compact_revision !== '0') return new Compacted()
  const { cancel_reason } = response as IWatchResponse & { readonly cancel_reason?: string }
  return new Error(cancel_reason || 'it ended the watch')
}

// Keys of an etcd that is not ours, to read them once.

import type { IRangeRequest, IRangeResponse } from 'etcd3'
import { StoreError } from './contract.ts'
import type { EtcdSettings } from './etcd/settings.ts'

export interface ForeignKey {
  readonly key: string
  readonly value: string
}

/** Every key that begins with `prefix`, in order, at one revision. Fails with a StoreError. */
export async function readForeignEtcd(
  settings: Omit<EtcdSettings, 'prefix'>,
  prefix: string,
): Promise<readonly ForeignKey[]> {
  // gRPC is much code, and who has no etcd does not wait for it.
  const { EtcdClient } = await import('./etcd/client.ts')
  const client = new EtcdClient({ ...settings, prefix })
  try {
    return await readPages(
      request => client.run((etcd, options) => etcd.kv.range(request, options)),
      prefix,
      settings.pageSize,
    )
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    throw new StoreError(error.code, byOptions(error.message))
  } finally {
    client.close()
  }
}

/** So often the read begins anew, and so much longer its pages are each time: of what fits into one page nothing is ever compacted. */
const reads = 4
const longer = 8

/**
 * Page by page at the revision of the first. An etcd that is written to all the time may be compacted amid that, and what was read is of no
 * use then: the next read is at the revision of its own first page. `ask`: a range of etcd; what it throws is passed on.
 */
export async function readPages(
  ask: (request: IRangeRequest) => Promise<IRangeResponse>,
  prefix: string,
  pageSize: number,
): Promise<readonly ForeignKey[]> {
  const { isCompacted } = await import('./etcd/errors.ts')
  for (let read = 0; read < reads; read++)
    try {
      return await readOnce(ask, prefix, pageSize * longer ** read)
    } catch (error) {
      if (!isCompacted(error)) throw error
    }
  throw new StoreError(
    'conflict',
    `etcd was compacted amid each of ${reads} reads of the keys below ${prefix}, so what had been read was no whole any more. Run the command again; if that does not help, have nothing compact etcd for as long as it takes: etcdctl compact in a timer, or a short --auto-compaction-retention.`,
  )
}

async function readOnce(
  ask: (request: IRangeRequest) => Promise<IRangeResponse>,
  prefix: string,
  limit: number,
): Promise<readonly ForeignKey[]> {
  const found: ForeignKey[] = []
  let revision: string | undefined
  for (let from = Buffer.from(prefix); ;) {
    const page = await ask({ key: from, range_end: endOf(prefix), limit, revision })
    revision ??= page.header.revision
    found.push(...page.kvs.map(({ key, value }) => ({ key: key.toString('utf8'), value: value.toString('utf8') })))
    const last = page.kvs.at(-1)
    if (!page.more || !last) return found
    from = Buffer.concat([last.key, Buffer.from([0])])
  }
}

/** What sentences call by its place in margayd.yaml, and by which option of a command it is said here. */
const options: readonly (readonly [RegExp, string])[] = [
  [/remove datastore\.auth from margayd\.yaml, or begin with users: etcdctl auth enable/, 'leave --username out'],
  [/datastore\.auth and the password it names/, '--username and what --password-file holds'],
  [/set datastore\.auth(?!\.)/, 'give --username and --password-file'],
  [/datastore\.auth\.passwordFile/g, '--password-file'],
  [
    /datastore\.tls and http or https in datastore\.endpoints/,
    '--ca, --cert, --key, and http or https of the endpoints',
  ],
  [/datastore\.tls\.(ca|cert|key)/g, '--$1'],
  [
    /grant its role readwrite: etcdctl role grant-permission ROLE readwrite/,
    'grant its role read: etcdctl role grant-permission ROLE read',
  ],
  [/the datastore section of margayd\.yaml/, 'the option'],
]

function byOptions(sentence: string): string {
  return options.reduce((text, [place, option]) => text.replace(place, option), sentence)
}

/** What follows all keys with the prefix; its last octet is an ASCII character. */
function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix)
  end[end.length - 1]++
  return end
}

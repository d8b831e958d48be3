// Signs of life in etcd: a key on a lease, which goes by itself, and one that stays and says when the node was last seen.
//
// Renewing a lease writes nothing, so nodes may do it often; the key that stays is written now and then. An expired lease is never
// revived: the next sign takes a new one.

import type { ClientDuplexStream } from '@grpc/grpc-js'
import type { Etcd3, ILeaseKeepAliveRequest, ILeaseKeepAliveResponse, IRangeRequest } from 'etcd3'
import { asWord } from '../contract.ts'
import { noteEvery, type Presence, type Sign } from '../presence.ts'
import type { EtcdClient } from './client.ts'
import { type Keys, newWrite, signKinds, wrap } from './record.ts'

interface Lease {
  readonly id: string
  readonly about: string
  readonly seconds: number
  /** `performance.now()` of the last note. */
  readonly noted: number
}

/** Of a key that stays until somebody deletes it. */
const noLease = '0'

type KeepAliveStream = ClientDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>

export class EtcdPresence implements Presence {
  readonly #client: EtcdClient
  readonly #keys: Keys
  readonly #leases = new Map<string, Lease>()

  constructor(client: EtcdClient, keys: Keys) {
    this.#client = client
    this.#keys = keys
  }

  async keepAlive(name: string, about: unknown, seconds: number): Promise<void> {
    const text = JSON.stringify(about)
    const lease = this.#leases.get(name)
    const isFit = lease?.about === text && lease.seconds === seconds && performance.now() - lease.noted < noteEvery
    if (isFit && (await this.#renew(name, lease.id))) return
    this.#leases.delete(name)
    await this.#begin(name, about, seconds)
  }

  async sign(name: string): Promise<Sign | undefined> {
    const [found] = await this.#read(kind => ({ key: this.#keys.of(kind, name) }))
    return found
  }

  signs(): Promise<readonly Sign[]> {
    return this.#read(kind => this.#keys.range(kind))
  }

  async #read(range: (kind: string) => IRangeRequest): Promise<readonly Sign[]> {
    const answer = await this.#client.run((etcd, options) =>
      etcd.kv.txn(
        {
          success: [
            { request_range: range(signKinds.seen) },
            { request_range: { ...range(signKinds.alive), keys_only: true } },
          ],
        },
        options,
      ),
    )
    const [seen = [], alive = []] = answer.responses.map(response => response.response_range.kvs)
    const living = new Map(alive.map(({ key, lease }) => [this.#keys.parse(key).name, { key, lease }]))
    const noted = new Map(seen.map(kv => [this.#keys.parse(kv.key).name, this.#keys.entry(kv).value]))
    // Both are written at once; who puts one there by hand need not.
    return [...new Set([...noted.keys(), ...living.keys()])].toSorted().map(name => {
      const { about, at } = (noted.get(name) ?? {}) as { readonly about?: unknown; readonly at?: unknown }
      const sign = living.get(name)
      return {
        name,
        about,
        isAlive: sign !== undefined,
        seen: typeof at === 'string' ? at : '',
        ...(sign?.lease === noLease && { removal: `etcdctl del ${asWord(sign.key.toString('utf8'))}` }),
      }
    })
  }

  async forget(name: string): Promise<void> {
    const keys = [signKinds.alive, signKinds.seen].map(kind => this.#keys.of(kind, name))
    await this.#client.run((etcd, options) =>
      etcd.kv.txn({ success: keys.map(key => ({ request_delete_range: { key } })) }, options),
    )
  }

  /** A lease that is given twice, because an answer was lost, runs out by itself. */
  async #begin(name: string, about: unknown, seconds: number): Promise<void> {
    const { ID: id } = await this.#client.run((etcd, options) => etcd.leaseClient.leaseGrant({ TTL: seconds }, options))
    const note = wrap({ about, at: new Date().toISOString() }, newWrite())
    const puts = [
      { request_put: { key: this.#keys.of(signKinds.alive, name), value: wrap({}, newWrite()), lease: id } },
      { request_put: { key: this.#keys.of(signKinds.seen, name), value: note } },
    ]
    await this.#client.run((etcd, options) => etcd.kv.txn({ success: puts }, options))
    this.#leases.set(name, { id, about: JSON.stringify(about), seconds, noted: performance.now() })
  }

  /** False: the lease has run out, or its key was taken away. */
  async #renew(name: string, id: string): Promise<boolean> {
    if (!(await this.#client.run((etcd, options) => renewLease(etcd, id, options)))) return false
    const request = { key: this.#keys.of(signKinds.alive, name), keys_only: true }
    const { kvs } = await this.#client.run((etcd, options) => etcd.kv.range(request, options))
    return kvs.some(({ lease }) => lease === id)
  }
}

async function renewLease(
  etcd: Etcd3,
  id: string,
  options: Parameters<Etcd3['leaseClient']['leaseKeepAlive']>[0],
): Promise<boolean> {
  // etcd3 hands out gRPC's own stream, under a type that shows less of it.
  const stream = (await etcd.leaseClient.leaseKeepAlive(options)) as unknown as KeepAliveStream
  stream.on('error', () => undefined) // told by the loop below, and after its end nobody wants it
  try {
    stream.write({ ID: id })
    for await (const { TTL } of stream as AsyncIterable<ILeaseKeepAliveResponse>) return Number(TTL) > 0
    throw new Error('it ended the stream of a lease')
  } finally {
    stream.cancel()
  }
}

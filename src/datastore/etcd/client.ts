// The connection to etcd's members: which one is asked, when the next one is, and with which credentials.
//
// One member is used as long as it answers. etcd3's own retries and circuit breakers are off: a retry that the caller does not know
// of could make a write twice. A member that is dead without closing its connections (paused, cut off) is found by HTTP/2 pings,
// and one that has lost the others by `hasleader`, at which it ends a watch that would stay silent.

import { type CallOptions, type ClientDuplexStream, InterceptingCall, type InterceptorOptions } from '@grpc/grpc-js'
import { noop } from 'cockatiel'
import { Etcd3, type IWatchRequest, type IWatchResponse } from 'etcd3'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../contract.ts'
import { tlsCause } from './certificates.ts'
import { checkFiles, type Credentials, readCredentials, userOf } from './credentials.ts'
import { type Fault, faultOf, isCompacted, ofAll } from './errors.ts'
import { withoutAddressAsServerName } from './server-name.ts'
import type { EtcdSettings } from './settings.ts'

export type WatchStream = ClientDuplexStream<IWatchRequest, IWatchResponse>

/** etcd allows a ping each 5 s (`--grpc-keepalive-min-time`). */
const channelOptions = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.max_receive_message_length': -1,
  'grpc.enable_channelz': 0,
}

const credentialsAge = 1_000
/** Between two rounds of all endpoints, milliseconds. */
const pause = 200
/** Rounds in which all endpoints refuse the connection. */
const refusalRounds = 3

export class EtcdClient {
  readonly settings: EtcdSettings
  #endpoint: number
  #clients = new Map<string, Etcd3>()
  #credentials: Credentials | undefined
  #readAt = -Infinity
  #closed = false
  /** Of the try that began last, which is the one that logs in if somebody has to. */
  #tryEnds = 0

  constructor(settings: EtcdSettings) {
    this.settings = settings
    // Nodes spread over the members.
    this.#endpoint = Math.floor(Math.random() * settings.endpoints.length)
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Makes a request, which has to be one that can be repeated, until a member answers or the time is over. `again`: an earlier
   * try may have been carried out. Throws a StoreError, or what `isCompacted` knows.
   */
  async run<T>(request: (etcd: Etcd3, options: CallOptions, again: boolean) => Promise<T>): Promise<T> {
    const { endpoints, timeout } = this.settings
    // Not by the time of day: it may be set while a call waits.
    const deadline = performance.now() + timeout
    let refusals = 0
    let explained: Fault | undefined
    /** By endpoint: what was said last. */
    const said = new Map<number, Fault>()
    for (let tries = 1; ; tries++) {
      const at = this.#endpoint
      try {
        return await request(this.#client(), { deadline: this.#try(deadline - performance.now()) }, tries > 1)
      } catch (error) {
        if (isCompacted(error)) throw error
        const fault = this.#faultAt(at, error)
        said.set(at, fault)
        if (fault.isExplained) explained = fault
        refusals = fault.refused ? refusals + 1 : 0
        const isOver = performance.now() + pause >= deadline || refusals >= refusalRounds * endpoints.length
        if (!fault.passes || this.#closed || isOver) {
          // What is over for lack of time says nothing of why.
          const { code, reason } = fault.code === 'unreachable' && fault.passes ? (explained ?? fault) : fault
          const text = explained ? reason : ofAll(fault, [...said.values()])
          throw new StoreError(code, `${text}.`)
        }
      }
      if (tries % endpoints.length === 0) await sleep(pause)
    }
  }

  /** A stream for watches, at a member that has a leader. */
  async openWatch(): Promise<WatchStream> {
    const requireLeader = (options: InterceptorOptions, next: (options: InterceptorOptions) => InterceptingCall) =>
      new InterceptingCall(next(options), {
        start: (metadata, listener, next) => {
          metadata.set('hasleader', 'true')
          next(metadata, listener)
        },
      })
    this.#try(this.settings.timeout)
    // etcd3 hands out gRPC's own stream, under a type that shows less of it.
    const stream = await this.#client().watchClient.watch({ interceptors: [requireLeader as never] })
    return stream as unknown as WatchStream
  }

  /** What ended a watch. The next one is tried at another member. */
  fault(error: unknown): Fault {
    return this.#faultAt(this.#endpoint, error)
  }

  close(): void {
    this.#closed = true
    this.#closeAll()
  }

  /**
   * When a try at one endpoint has to be over, as Date.now() has it: the request, and the log-in before it. `left`: milliseconds that the
   * call has. An endpoint may take its share of them.
   */
  #try(left: number): number {
    const { endpoints, timeout } = this.settings
    const share = endpoints.length === 1 ? timeout : Math.max(timeout / endpoints.length, 1_000)
    return (this.#tryEnds = Date.now() + Math.min(share, left))
  }

  #faultAt(at: number, error: unknown): Fault {
    const { settings } = this
    const { endpoints, prefix } = settings
    const credentials = this.#credentials
    const where = endpoints[at] ?? ''
    const fault = faultOf(error, where, () => ({
      prefix: prefix.replace(/\/$/, ''),
      user: userOf(settings, credentials),
      tlsCause: said => tlsCause(said, { where, settings, credentials, now: Date.now() }),
    }))
    // A token or certificate that is not taken any more: begin anew, with what the files hold now.
    if (fault.code === 'unauthorised') this.#closeAll()
    if (fault.passes && this.#endpoint === at) this.#endpoint = (at + 1) % endpoints.length
    return fault
  }

  #client(): Etcd3 {
    if (this.#closed) throw new StoreError('unreachable', 'The connection to etcd was closed.')
    this.#refresh()
    const endpoint = this.settings.endpoints[this.#endpoint] ?? ''
    let client = this.#clients.get(endpoint)
    if (!client) this.#clients.set(endpoint, (client = this.#dial(endpoint)))
    return client
  }

  /** Takes over credentials that were replaced; calls under way end on the old connections. */
  #refresh(): void {
    if (performance.now() - this.#readAt < credentialsAge) return
    const credentials = readCredentials(this.settings)
    this.#readAt = performance.now()
    if (credentials.fingerprint !== this.#credentials?.fingerprint) this.#closeAll()
    this.#credentials = credentials
  }

  #dial(endpoint: string): Etcd3 {
    if (this.#credentials) checkFiles(this.settings, this.#credentials)
    const { tls, password } = this.#credentials ?? {}
    const username = this.settings.auth?.username
    const isSecure = endpoint.startsWith('https:')
    const etcd = new Etcd3({
      hosts: [endpoint],
      credentials: isSecure ? secure(tls) : undefined,
      auth:
        username !== undefined && password !== undefined
          ? { username, password, callOptions: () => ({ deadline: this.#tryEnds }) }
          : undefined,
      grpcOptions: channelOptions,
      faultHandling: { global: noop, host: () => noop },
    })
    if (isSecure) withoutAddressAsServerName(etcd)
    return etcd
  }

  #closeAll(): void {
    this.#readAt = -Infinity
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }
}

/** etcd3's type wants an authority, but it hands all three to gRPC, for which none means those that Node trusts. */
function secure(tls: Credentials['tls'] | undefined) {
  return { rootCertificate: tls?.ca as Buffer, privateKey: tls?.key, certChain: tls?.cert }
}

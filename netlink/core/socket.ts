// One netlink socket in one namespace: jobs out, answers and events in. The addon's thread does the waiting; this side is called
// once a turn of the event loop, and handles a bounded number of octets each time.

import { addon, item, job, type NativeSocket } from './addon.ts'
import { deferred } from './deferred.ts'
import { errnoName, errnoText, NetlinkError } from './errno.ts'
import { entryRefused, type Namespace, openNamespace } from './namespace.ts'
import { MessageWriter } from './writer.ts'

export interface SocketOptions {
  /** Default: the namespace of the process. */
  readonly netns?: Namespace
  /** NETLINK_ROUTE is 0. */
  readonly protocol: number
  /** Octets that the kernel may queue of events; default 4 MiB. Beyond it they are lost, and `overrun` says so. */
  readonly receiveBuffer?: number
  /** No events of the IPv4 routes that this socket itself adds and deletes. */
  readonly mutesOwnRoutes?: boolean
}

/** What requests are sent by: a socket with its thread, or a visit (visit.ts). */
export interface Requests {
  readonly closed: boolean
  /** For tasks of `inOrder`, each of which clears it. */
  readonly writer: MessageWriter
  sequences(count: number): number
  inOrder<T>(task: () => Promise<T>): Promise<T>
  submit(
    kind: 'batch' | 'dump' | 'transaction',
    bytes: Uint8Array,
    onData: (bytes: Uint8Array) => void,
  ): Promise<JobEnd>
  close(): Promise<void>
}

/** Another namespace than the socket's, by an fd of it; jobs in a row with the same number are one visit. */
export interface Destination {
  readonly number: number
  readonly fd: number
}

/** Who hears of multicast messages. */
export interface EventSink {
  events(bytes: Uint8Array): void
  overrun(): void
}

/** How a job ended: `code` 0, or the errno after which nothing is known of the requests from the `answered`th on. */
export interface JobEnd {
  readonly code: number
  readonly answered: number
}

interface PendingJob {
  readonly onData: (bytes: Uint8Array) => void
  readonly resolve: (end: JobEnd) => void
  readonly reject: (error: Error) => void
}

/** Octets of answers and events handled in one turn of the event loop. */
const turnBytes = 128 * 1024

export class NetlinkSocket implements Requests {
  readonly writer = new MessageWriter()
  readonly #native: NativeSocket
  readonly #pending = new Map<number, PendingJob>()
  readonly #sinks = new Set<EventSink>()
  readonly #opened = deferred<number>()
  readonly #ended = deferred<void>()
  #tail: Promise<unknown> = Promise.resolve()
  #sequence = 0
  #closed = false
  #held = true

  private constructor(netns: number, options: SocketOptions) {
    const { protocol, receiveBuffer = 4 * 1024 * 1024, mutesOwnRoutes = false } = options
    const native = addon().open(netns, protocol, receiveBuffer, mutesOwnRoutes, () => this.#drain())
    if (typeof native === 'number')
      throw new NetlinkError(errnoName(native), `netlink socket: ${errnoText(errnoName(native))}`)
    this.#native = native
  }

  /** @throws NetlinkError naming the namespace, if it is missing or cannot be entered */
  static async open(options: SocketOptions): Promise<NetlinkSocket> {
    const namespace = openNamespace(options.netns)
    let socket: NetlinkSocket
    try {
      socket = new NetlinkSocket(namespace.fd, options)
    } finally {
      namespace.close()
    }
    const code = await socket.#opened.promise
    if (code !== 0) {
      await socket.close()
      throw options.netns === undefined
        ? new NetlinkError(errnoName(code), `netlink socket: ${errnoText(errnoName(code))}`)
        : entryRefused(options.netns, code)
    }
    socket.#hold()
    return socket
  }

  /** The first of `count` sequence numbers in a row (they wrap at 2^32). */
  sequences(count: number): number {
    const first = this.#sequence
    this.#sequence = (first + count) >>> 0
    return first
  }

  /**
   * Runs `task` after every task given before: what `task` submits reaches the kernel in the order of the calls, also where one
   * call needs several turns to submit all of it.
   */
  inOrder<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task)
    this.#tail = result.catch(() => {})
    return result
  }

  /**
   * Sends messages; `onData` gets all answers but the acknowledgements of success. `bytes` may be used again at once.
   * A `transaction` reaches the kernel in one piece; its last message asks for an acknowledgement (NLM_F_ACK). `to`: done there, by the
   * thread of this socket.
   */
  submit(
    kind: 'batch' | 'dump' | 'transaction',
    bytes: Uint8Array,
    onData: (bytes: Uint8Array) => void,
    to?: Destination,
  ): Promise<JobEnd> {
    return this.#submit(job[kind], 0, bytes, onData, to)
  }

  /**
   * Has files read and written as the socket's thread sees them: "r" path NUL, or "w" path NUL value NUL. `onData` gets for each errno and
   * length, 32 bits each in the machine's order, and the text.
   */
  files(list: Uint8Array, onData: (bytes: Uint8Array) => void, to?: Destination): Promise<JobEnd> {
    return this.#submit(job.files, 0, list, onData, to)
  }

  /** No more calls are taken. */
  get closed(): boolean {
    return this.#closed
  }

  /** Joins or leaves a multicast group; settled when the kernel has done it. */
  async setMembership(group: number, member: boolean): Promise<void> {
    const { code } = await this.#submit(member ? job.join : job.leave, group, undefined, () => {})
    if (code !== 0)
      throw new NetlinkError(errnoName(code), `netlink multicast group ${group}: ${errnoText(errnoName(code))}`)
  }

  /** Hands multicast messages to `sink`; while there is one, the socket keeps the process alive. Returns the end of it. */
  listen(sink: EventSink): () => void {
    this.#sinks.add(sink)
    this.#hold()
    return () => {
      this.#sinks.delete(sink)
      this.#hold()
    }
  }

  /** Pending calls are rejected with ECANCELED. Settled when thread and descriptors are gone. */
  close(): Promise<void> {
    if (this.#closed) return this.#ended.promise
    this.#closed = true
    this.#sinks.clear()
    for (const pending of this.#pending.values())
      pending.reject(new NetlinkError('ECANCELED', 'the netlink socket was closed before the kernel had answered'))
    this.#pending.clear()
    this.#hold()
    addon().close(this.#native)
    return this.#ended.promise
  }

  #submit(
    kind: number,
    group: number,
    bytes: Uint8Array | undefined,
    onData: PendingJob['onData'],
    { number: visit, fd }: Destination = { number: 0, fd: -1 },
  ): Promise<JobEnd> {
    if (this.#closed) return Promise.reject(new NetlinkError('EBADF', 'the netlink socket is closed; open another one'))
    const id = this.sequences(1)
    const code = addon().submit(this.#native, kind, id, group, bytes, visit, fd)
    if (code !== 0)
      return Promise.reject(new NetlinkError(errnoName(code), `netlink message: ${errnoText(errnoName(code))}`))
    const { promise, resolve, reject } = deferred<JobEnd>()
    this.#pending.set(id, { onData, resolve, reject })
    this.#hold()
    return promise
  }

  /** The process waits for answers, for events that someone wants, and for the end of the thread; not for an idle socket. */
  #hold(): void {
    const held = this.#closed || this.#pending.size > 0 || this.#sinks.size > 0
    if (held === this.#held) return
    this.#held = held
    addon().hold(this.#native, held)
  }

  #drain(): void {
    const items = addon().take(this.#native, turnBytes)
    if (items[0] === 1) setImmediate(() => this.#drain())
    for (let i = 1; i < items.length; i += 5) {
      const [kind, id, code, answered, bytes] = items.slice(i, i + 5) as [number, number, number, number, Uint8Array]
      switch (kind) {
        case item.data:
          this.#pending.get(id)?.onData(bytes)
          break
        case item.end:
          this.#pending.get(id)?.resolve({ code, answered })
          this.#pending.delete(id)
          break
        case item.event:
          for (const sink of this.#sinks) sink.events(bytes)
          break
        case item.overrun:
          for (const sink of this.#sinks) sink.overrun()
          break
        case item.opened:
          this.#opened.resolve(code)
          break
        case item.closed:
          this.#ended.resolve()
          break
        default:
          throw new Error(`netlink addon: unknown item ${kind}`)
      }
    }
    this.#hold()
  }
}

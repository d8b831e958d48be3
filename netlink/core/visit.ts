// A namespace for a few questions. A socket of its own needs a thread of its own, and to start and end one takes longer than all that a
// container's namespace is asked for. So all visits of the process share one thread, which goes there, asks by a socket that it makes, and
// leaves again when nothing more follows. Sysctls are read and written there, too. What is asked of one namespace waits for what is asked of
// others meanwhile.

import { NetlinkError } from './errno.ts'
import { type Namespace, openNamespace } from './namespace.ts'
import { NETLINK_ROUTE } from './protocol.ts'
import { type JobEnd, NetlinkSocket, type Requests } from './socket.ts'
import type { MessageWriter } from './writer.ts'

/** By netlink protocol. */
const threads = new Map<number, Promise<NetlinkSocket>>()
let visits = 0

export class Visit implements Requests {
  readonly #thread: NetlinkSocket
  readonly #namespace: ReturnType<typeof openNamespace>
  readonly #number = nextVisit()
  #closed = false

  private constructor(thread: NetlinkSocket, namespace: ReturnType<typeof openNamespace>) {
    this.#thread = thread
    this.#namespace = namespace
  }

  /** Keeps the namespace alive until `close`. That it may not be entered is said by the first request. @throws NetlinkError naming the namespace, if it is missing or none */
  static async open(netns: Namespace, protocol: number): Promise<Visit> {
    const namespace = openNamespace(netns)
    try {
      return new Visit(await threadOf(protocol), namespace)
    } catch (error) {
      namespace.close()
      throw error
    }
  }

  get closed(): boolean {
    return this.#closed
  }

  get writer(): MessageWriter {
    return this.#thread.writer
  }

  sequences(count: number): number {
    return this.#thread.sequences(count)
  }

  inOrder<T>(task: () => Promise<T>): Promise<T> {
    return this.#thread.inOrder(task)
  }

  submit(
    kind: 'batch' | 'dump' | 'transaction',
    bytes: Uint8Array,
    onData: (bytes: Uint8Array) => void,
  ): Promise<JobEnd> {
    if (this.#closed) return Promise.reject(new NetlinkError('EBADF', 'the visit is over; open the namespace again'))
    return this.#thread.submit(kind, bytes, onData, { number: this.#number, fd: this.#namespace.fd })
  }

  /** What was asked before is still answered. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#namespace.close()
  }
}

/** Files as the thread of all visits sees them in that namespace (undefined: the process's own): see `NetlinkSocket.files`. */
export async function filesOf(
  netns: Namespace | undefined,
  list: Uint8Array,
  onData: (bytes: Uint8Array) => void,
): Promise<JobEnd> {
  const namespace = openNamespace(netns)
  try {
    const thread = await threadOf(NETLINK_ROUTE)
    return await thread.files(list, onData, netns === undefined ? undefined : { number: nextVisit(), fd: namespace.fd })
  } finally {
    namespace.close()
  }
}

/** In an unsigned 32-bit number, and not 0. */
function nextVisit(): number {
  return (visits++ % 0xffffffff) + 1
}

function threadOf(protocol: number): Promise<NetlinkSocket> {
  const known = threads.get(protocol)
  if (known) return known
  const opened = NetlinkSocket.open({ protocol })
  threads.set(protocol, opened)
  opened.catch(() => threads.delete(protocol))
  return opened
}

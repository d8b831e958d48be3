// An in-memory network with a virtual clock: the same events in the same order on every run with the same seed.
//
// Hosts are addresses. Between any two of them lies a link with a delay; it can be cut, which like a pulled cable loses
// nothing but tells nobody, and mended. Octets arrive in pieces of random size, so that framing is tried as TCP tries it.

import { Random } from '../fsm/random.ts'
import type { Clock, Conn, DialOptions, ListenEvents, ListenOptions, Transport } from './transport.ts'

interface Appointment {
  readonly time: number
  readonly sequence: number
  /** Undefined: cancelled. */
  callback: (() => void) | undefined
}

/** Time that passes only when told to. */
export class VirtualClock implements Clock {
  #now = 0
  #sequence = 0
  /** A binary heap by time, then by order of arming. */
  readonly #heap: Appointment[] = []

  now(): number {
    return this.#now
  }

  at(time: number, callback: () => void): () => void {
    const entry: Appointment = { time: Math.max(time, this.#now), sequence: this.#sequence++, callback }
    this.#push(entry)
    return () => {
      entry.callback = undefined
    }
  }

  soon(callback: () => void): void {
    this.at(this.#now, callback)
  }

  /** Runs everything that is due within the next `ms` milliseconds. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (let top = this.#heap[0]; top && top.time <= end; top = this.#heap[0]) {
      this.#pop()
      this.#now = top.time
      top.callback?.()
    }
    this.#now = end
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]]
    return x.time < y.time || (x.time === y.time && x.sequence < y.sequence)
  }

  #swap(a: number, b: number): void {
    ;[this.#heap[a], this.#heap[b]] = [this.#heap[b], this.#heap[a]]
  }

  #push(entry: Appointment): void {
    this.#heap.push(entry)
    for (let i = this.#heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1
      if (!this.#before(i, parent)) break
      this.#swap(i, parent)
      i = parent
    }
  }

  #pop(): void {
    const last = this.#heap.pop()
    if (!last || this.#heap.length === 0) return
    this.#heap[0] = last
    for (let i = 0; ;) {
      let least = i
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < this.#heap.length && this.#before(child, least)) least = child
      }
      if (least === i) break
      this.#swap(i, least)
      i = least
    }
  }
}

/** Octets in flight beyond which a writer is told to wait. */
const WINDOW = 128 * 1024

export interface LinkOptions {
  /** Milliseconds one way. Default 1. */
  readonly delay?: number
  /** Largest piece in which octets arrive. Default 16384. */
  readonly piece?: number
}

interface Held {
  readonly deliver: () => void
  readonly lose: () => void
}

export class MemoryNetwork {
  readonly clock: VirtualClock
  readonly #random: Random
  readonly #listeners = new Map<string, ListenEvents>()
  readonly #links = new Map<string, LinkOptions>()
  readonly #cut = new Set<string>()
  /** What waits for a cut link to be mended, or for what was before it to arrive after that, by link. */
  readonly #held = new Map<string, Held[]>()

  constructor(clock: VirtualClock, seed: number) {
    this.clock = clock
    this.#random = new Random(seed)
  }

  /** The transport of a host; `addresses[0]` is its default source. */
  host(...addresses: readonly string[]): Transport {
    return {
      connect: (to, connected, failed) =>
        this.#connect(to.localAddress ?? this.#source(addresses, to), to, connected, failed),
      listen: (on, events) => this.#listen(on, addresses, events),
    }
  }

  setLink(a: string, b: string, options: LinkOptions): void {
    this.#links.set(key(a, b), options)
  }

  /** From now on nothing passes between the two; nobody is told. */
  cut(a: string, b: string): void {
    this.#cut.add(key(a, b))
  }

  /** What was held up arrives, before whatever was sent after it. */
  mend(a: string, b: string): void {
    const link = key(a, b)
    this.#cut.delete(link)
    this.clock.at(this.clock.now() + this.#delay(link), () => {
      if (this.#cut.has(link)) return
      const held = this.#held.get(link) ?? []
      this.#held.delete(link)
      for (const { deliver } of held) deliver()
    })
  }

  /**
   * What is held up by the cut is lost for good, as when a machine loses its memory. A connection that has lost something
   * carries nothing any more, for what comes behind a gap is never handed on; nobody is told.
   */
  forget(a: string, b: string): void {
    const held = this.#held.get(key(a, b)) ?? []
    this.#held.delete(key(a, b))
    for (const { lose } of held) lose()
  }

  /** Calls `deliver` when something sent now from one host has reached the other, or `lose` when it never will. */
  carry(from: string, to: string, deliver: () => void, lose: () => void = () => {}): void {
    const link = key(from, to)
    this.clock.at(this.clock.now() + this.#delay(link), () => {
      const held = this.#held.get(link)
      if (held) held.push({ deliver, lose })
      else if (this.#cut.has(link)) this.#held.set(link, [{ deliver, lose }])
      else deliver()
    })
  }

  #delay(link: string): number {
    return this.#links.get(link)?.delay ?? 1
  }

  /** The size of the next piece of `left` octets. */
  pieceOf(from: string, to: string, left: number): number {
    const { piece = 16384 } = this.#links.get(key(from, to)) ?? {}
    return Math.min(left, 1 + Math.floor(this.#random.next() * piece))
  }

  #source(addresses: readonly string[], { address }: DialOptions): string {
    return addresses.find(own => own.includes(':') === address.includes(':')) ?? addresses[0]
  }

  #connect(
    from: string,
    { address: to, port }: DialOptions,
    connected: (conn: Conn) => void,
    failed: (reason: string) => void,
  ): () => void {
    let waiting = true
    const conclude = (act: () => void) => {
      if (!waiting) return
      waiting = false
      act()
    }
    this.carry(from, to, () => {
      const listener = this.#listeners.get(`${to} ${port}`)
      if (!listener) return this.carry(to, from, () => conclude(() => failed('ECONNREFUSED')))
      const [near, far] = MemoryConn.pair(this, from, to)
      listener.accepted(far)
      this.carry(to, from, () => {
        if (waiting) conclude(() => connected(near))
        else near.close(false)
      })
    })
    return () => (waiting = false)
  }

  #listen({ address, port }: ListenOptions, addresses: readonly string[], events: ListenEvents): () => void {
    const keys = (address === undefined ? addresses : [address]).map(one => `${one} ${port}`)
    const taken = keys.some(one => this.#listeners.has(one))
    if (!taken) for (const one of keys) this.#listeners.set(one, events)
    this.clock.soon(() => (taken ? events.failed('EADDRINUSE') : events.listening()))
    return () => {
      for (const one of keys) if (this.#listeners.get(one) === events) this.#listeners.delete(one)
    }
  }
}

class MemoryConn implements Conn {
  readonly local: string
  readonly remote: string
  readonly #network: MemoryNetwork
  #other: MemoryConn | undefined
  #data: ((octets: Uint8Array) => void) | undefined
  #closed: ((reason: string) => void) | undefined
  #drain: (() => void) | undefined
  #open = true
  #paused = false
  /** Something on its way was lost. */
  #lost = false
  #inFlight = 0
  /** What has arrived and was not handed on: the reader is paused or not there yet. */
  #arrived: (() => void)[] = []

  constructor(network: MemoryNetwork, local: string, remote: string) {
    this.#network = network
    this.local = local
    this.remote = remote
  }

  static pair(network: MemoryNetwork, a: string, b: string): [MemoryConn, MemoryConn] {
    const near = new MemoryConn(network, a, b)
    const far = new MemoryConn(network, b, a)
    near.#other = far
    far.#other = near
    return [near, far]
  }

  onData(callback: (octets: Uint8Array) => void): void {
    this.#data = callback
    this.#network.clock.soon(() => this.#hand())
  }

  onClose(callback: (reason: string) => void): void {
    this.#closed = callback
  }

  onDrain(callback: () => void): void {
    this.#drain = callback
  }

  write(chunks: readonly Uint8Array[], done: () => void): boolean {
    if (!this.#open) return true
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        const size = this.#network.pieceOf(this.local, this.remote, chunk.length - at)
        const piece = chunk.slice(at, at + size)
        at += size
        this.#inFlight += size
        this.#send(() => this.#deliver(piece))
      }
    }
    this.#network.clock.soon(done)
    return this.#inFlight < WINDOW
  }

  pause(on: boolean): void {
    this.#paused = on
    if (!on) this.#network.clock.soon(() => this.#hand())
  }

  close(flush: boolean): void {
    if (!this.#open) return
    this.#open = false
    const reason = flush ? '' : 'ECONNRESET'
    this.#send(far => far.#end(reason))
  }

  /** Something happens at the far end, after all that was sent before. */
  #send(what: (far: MemoryConn) => void): void {
    const far = this.#other
    if (!far || this.#lost) return
    const deliver = (): void => {
      if (!far.#lost) far.#arrive(() => what(far))
    }
    this.#network.carry(this.local, this.remote, deliver, () => (this.#lost = far.#lost = true))
  }

  #deliver(piece: Uint8Array): void {
    const wasFull = this.#inFlight >= WINDOW
    this.#inFlight -= piece.length
    const far = this.#other
    if (far) far.#data?.(piece)
    if (wasFull && this.#inFlight < WINDOW && this.#open) this.#drain?.()
  }

  #arrive(what: () => void): void {
    this.#arrived.push(what)
    this.#hand()
  }

  #hand(): void {
    while (this.#open && !this.#paused && this.#data) {
      const next = this.#arrived.shift()
      if (!next) return
      next()
    }
  }

  #end(reason: string): void {
    if (!this.#open) return
    this.#open = false
    this.#closed?.(reason)
  }
}

function key(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}

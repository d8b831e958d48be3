// Runs an engine on a transport and a clock: does what its actions ask, and feeds its three ports in turns.
//
// A turn handles a bounded number of units of input, as many of decisions, and one chunk of output per connection, then
// gives the event loop back; input rotates over the connections. So no peer, however talkative, delays another's
// keepalives by more than a turn. How many units those are, `pace.ts` finds out.

import type { Engine } from '../core/engine.ts'
import type { ChunkSink } from '../groups/port.ts'
import type { Action, ConnEnds, ConnId, Endpoint, Event, Report } from '../types.ts'
import { Inbox } from './inbox.ts'
import { Pace } from './pace.ts'
import type { Clock, Conn, Transport } from './transport.ts'

/** Unread input, in octets, beyond which a connection is not read, and below which it is read again. */
const FULL = 256 * 1024
const ROOM = 64 * 1024

interface Link {
  readonly id: ConnId
  readonly conn: Conn
  readonly inbox: Inbox
  /** The transport waits for its peer: nothing is pulled. */
  blocked: boolean
  paused: boolean
  /** Why the connection ended; the engine hears of it after the last octet. */
  ended: string | undefined
}

export class Driver {
  readonly engine: Engine
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #pace: Pace
  readonly #report: (report: Report) => void
  readonly #turned: () => void
  readonly #links = new Map<ConnId, Link>()
  readonly #dials = new Map<ConnId, () => void>()
  /** Connections with unread input, or an end, in the order of their turn. */
  readonly #inputs = new Set<Link>()
  readonly #outputs = new Set<ConnId>()
  #cancelWake: (() => void) | undefined
  #scheduled = false
  #working = false
  #disposed = false

  /** `turned` is called after each turn, when the RIBs may have changed. `budget`: units of each turn; undefined: by time. */
  constructor(
    engine: Engine,
    transport: Transport,
    clock: Clock,
    hooks: { readonly report: (report: Report) => void; readonly turned: () => void; readonly budget?: number },
  ) {
    this.engine = engine
    this.#transport = transport
    this.#clock = clock
    this.#report = hooks.report
    this.#turned = hooks.turned
    this.#pace = new Pace(hooks.budget)
  }

  /** Tells the engine the time, lets `act` use it, and does what it then asks. */
  with<Result>(act: (engine: Engine) => Result): Result {
    this.#do(this.engine.handle({ kind: 'tick', now: this.#clock.now() }))
    const result = act(this.engine)
    this.#do(this.engine.actions())
    return result
  }

  /** A connection that came in. */
  accept(conn: Conn): void {
    const id = this.engine.allocateConn()
    this.#open(id, conn)
    this.#handle({ kind: 'accepted', conn: id, ...endsOf(conn) })
  }

  /** Number of connections open or being made. */
  get connections(): number {
    return this.#links.size + this.#dials.size
  }

  /** Closes everything at once; nothing is done any more. */
  dispose(): void {
    this.#disposed = true
    this.#cancelWake?.()
    for (const cancel of this.#dials.values()) cancel()
    for (const { conn } of this.#links.values()) conn.close(false)
    this.#dials.clear()
    this.#links.clear()
    this.#inputs.clear()
    this.#outputs.clear()
  }

  // ---- actions ---------------------------------------------------------------------------------------------------

  #handle(event: Event): void {
    this.with(engine => this.#do(engine.handle(event)))
  }

  #do(actions: readonly Action[]): void {
    if (this.#disposed) return
    for (const action of actions) {
      switch (action.do) {
        case 'connect':
          this.#dial(action.conn, action.to)
          break
        case 'close':
          this.#close(action.conn, action.afterFlush)
          break
        case 'writable':
          this.#outputs.add(action.conn)
          this.#schedule()
          break
        case 'wakeAt':
          this.#cancelWake?.()
          this.#cancelWake = this.#clock.at(action.at, () => this.with(() => undefined))
          break
        case 'work':
          this.#working = true
          this.#schedule()
          break
        case 'report':
          this.#report(action.report)
          break
      }
    }
  }

  #dial(id: ConnId, to: Endpoint): void {
    const cancel = this.#transport.connect(
      to,
      conn => {
        this.#dials.delete(id)
        this.#open(id, conn)
        const peer = this.engine.peerOf(id)
        if (peer === undefined) return this.#close(id, false)
        this.#handle({ kind: 'connected', peer, conn: id, ...endsOf(conn) })
      },
      reason => {
        this.#dials.delete(id)
        this.#handle({ kind: 'connectFailed', conn: id, reason })
      },
    )
    this.#dials.set(id, cancel)
  }

  #open(id: ConnId, conn: Conn): void {
    const link: Link = { id, conn, inbox: new Inbox(), blocked: false, paused: false, ended: undefined }
    this.#links.set(id, link)
    conn.onData(octets => {
      link.inbox.append(octets)
      if (!link.paused && link.inbox.size > FULL) conn.pause((link.paused = true))
      this.#inputs.add(link)
      this.#schedule()
    })
    conn.onClose(reason => {
      link.ended = reason
      this.#inputs.add(link)
      this.#schedule()
    })
    conn.onDrain(() => {
      link.blocked = false
      this.#outputs.add(id)
      this.#schedule()
    })
  }

  #close(id: ConnId, afterFlush: boolean): void {
    this.#dials.get(id)?.()
    this.#dials.delete(id)
    const link = this.#links.get(id)
    if (!link) return
    if (afterFlush) this.#pull(link)
    this.#links.delete(id)
    this.#inputs.delete(link)
    this.#outputs.delete(id)
    link.conn.close(afterFlush)
  }

  // ---- turns -----------------------------------------------------------------------------------------------------

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      this.#turn()
    })
  }

  #turn(): void {
    if (this.#disposed) return
    const start = this.#clock.now()
    const { units } = this.#pace
    this.with(() => this.#read(units))
    if (this.#working) {
      this.#working = false
      this.#working = this.with(engine => engine.work(units))
    }
    this.#write()
    this.#turned()
    this.#pace.took(this.#clock.now() - start, this.#working || this.#inputs.size > 0)
    if (this.#working || this.#inputs.size > 0 || this.#outputs.size > 0) this.#schedule()
  }

  #read(units: number): void {
    let left = units
    const queue = [...this.#inputs]
    for (const link of queue) {
      const { inbox, id } = link
      const taken = this.engine.receive(id, inbox.octets, inbox.from, inbox.to, left)
      left = Math.max(0, left - this.engine.spent)
      inbox.take(taken)
      if (link.paused && inbox.size < ROOM) link.conn.pause((link.paused = false))
      this.#inputs.delete(link)
      if (!this.#links.has(id)) continue
      if (this.engine.isUnread(id)) {
        this.#inputs.add(link) // at the end of the queue
      } else if (link.ended !== undefined) {
        this.#links.delete(id)
        this.#outputs.delete(id)
        this.#do(this.engine.handle({ kind: 'closed', conn: id, reason: link.ended }))
      }
      this.#do(this.engine.actions())
    }
  }

  #write(): void {
    const queue = [...this.#outputs]
    for (const id of queue) {
      this.#outputs.delete(id)
      const link = this.#links.get(id)
      if (link && !link.blocked && this.#pull(link)) this.#outputs.add(id)
    }
    this.#do(this.engine.actions())
  }

  /** Moves what is ready, at most a chunk or two, to the transport; true if it takes more and there is more. */
  #pull(link: Link): boolean {
    const chunks: Uint8Array[] = []
    const dones: (() => void)[] = []
    const sink: ChunkSink = {
      chunk: (octets, _, done) => {
        chunks.push(octets)
        dones.push(done)
      },
    }
    const more = this.engine.pull(link.id, sink)
    if (chunks.length > 0) {
      link.blocked = !link.conn.write(chunks, () => {
        for (const done of dones) done()
      })
    }
    return more && !link.blocked
  }
}

function endsOf({ local, remote, localPort, remotePort }: Conn): ConnEnds {
  return { local, remote, localPort, remotePort }
}

// A monitoring station (RFC 7854): the connection to it, which is made anew when it is lost, and what may wait on it.

import type { Speaker } from '../speaker.ts'
import { systemClock, tcp } from '../transport/tcp.ts'
import type { Clock, Conn, Transport } from '../transport/transport.ts'
import { terminations, type View } from './messages.ts'
import { Monitor } from './monitor.ts'

export interface StationOptions {
  readonly address: string
  readonly port: number
  /**
   * What it is told. `pre`: what the peers send; `post`: what import policy makes of it; `out`: what the peers are sent (RFC
   * 8671); `loc`: the best routes (RFC 9069). Default `pre` and `loc`.
   */
  readonly views?: readonly View[]
  /** A copy of every message that a peer sends, too (§4.7). Default false. */
  readonly mirror?: boolean
  /** Seconds between statistics reports (§4.8); 0: none. Default 300. */
  readonly statistics?: number
  /** Seconds before another attempt to connect; each doubles them, up to 720 (§3.2). Default 30. */
  readonly retry?: number
  /** Octets that may wait for the station; one that is farther behind is given up, and connected to anew. Default 32 MiB. */
  readonly mostWaiting?: number
  /** How this speaker calls itself. Default: its router id, and `bgp-speaker`. */
  readonly sysName?: string
  readonly sysDescr?: string
}

export interface StationSurroundings {
  readonly transport?: Transport
  readonly clock?: Clock
  /** One sentence each. */
  readonly report?: (text: string) => void
}

/** What is monitored: a `Speaker`, or an engine in a shell of one's own that calls back after each turn. */
export interface MonitoredSpeaker {
  readonly engine: Speaker['engine']
  on(type: 'turn', callback: () => void): () => void
}

/** Seconds (§3.2). */
const LONGEST_RETRY = 720

export class BmpStation {
  readonly #speaker: MonitoredSpeaker
  readonly #options: StationOptions
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #report: (text: string) => void
  #conn: Conn | undefined
  #monitor: Monitor | undefined
  #waiting = 0
  /** What the transport does not take yet, for it has said that it is full. */
  #queue: Uint8Array[] = []
  #blocked = false
  #retry: number
  #told = ''
  #scheduled = false
  #cancel: () => void = () => {}
  #cancelStatistics: () => void = () => {}
  #off: () => void = () => {}
  #stopped = false

  /** Connects, and again whenever the connection is lost, until `stop`. */
  constructor(speaker: MonitoredSpeaker, options: StationOptions, surroundings: StationSurroundings = {}) {
    const { transport = tcp, clock = systemClock, report = () => {} } = surroundings
    this.#speaker = speaker
    this.#options = options
    this.#transport = transport
    this.#clock = clock
    this.#report = report
    this.#retry = options.retry ?? 30
    this.#connect()
  }

  get connected(): boolean {
    return this.#conn !== undefined
  }

  /** Octets that wait for the station. */
  get waiting(): number {
    return this.#waiting
  }

  /** Says goodbye (§4.5) and connects no more. */
  stop(): void {
    this.#stopped = true
    this.#monitor?.stop(terminations.administrative)
    this.#conn?.close(true)
    this.#release()
    this.#cancel()
  }

  #connect(): void {
    const { address, port } = this.#options
    this.#cancel = this.#transport.connect(
      { address, port },
      conn => this.#open(conn),
      reason => this.#lost(`cannot be reached (${reason})`),
    )
  }

  #open(conn: Conn): void {
    const { engine } = this.#speaker
    const { views = ['pre', 'loc'], mirror = false, sysDescr = 'bgp-speaker', statistics = 300 } = this.#options
    this.#conn = conn
    if (!engine.config) return this.#lost('hears nothing before the speaker has started')
    const { sysName = engine.config.routerId } = this.#options
    this.#waiting = 0
    this.#queue = []
    this.#blocked = false
    this.#told = ''
    this.#say('is connected')
    conn.onData(() => {}) // §3.2: a station says nothing
    conn.onClose(reason => this.#lost(`closed the connection${reason && ` (${reason})`}`))
    conn.onDrain(() => this.#drained(conn))
    const outlet = { waiting: () => this.#waiting, write: (octets: Uint8Array) => this.#write(conn, octets) }
    const now = () => this.#clock.now()
    this.#monitor = new Monitor(engine, outlet, { sysName, sysDescr, views, mirror, now })
    this.#off = this.#speaker.on('turn', () => this.#pump())
    if (statistics > 0) this.#reportEvery(statistics * 1000)
    this.#later()
  }

  #write(conn: Conn, octets: Uint8Array): void {
    if (this.#conn !== conn) return
    if (this.#waiting > (this.#options.mostWaiting ?? 32 * 1024 * 1024)) {
      return this.#lost(`is too slow: ${this.#waiting} octets wait for it`)
    }
    this.#waiting += octets.length
    if (this.#blocked) this.#queue.push(octets)
    else this.#hand(conn, octets)
  }

  #hand(conn: Conn, octets: Uint8Array): void {
    const taken = () => {
      if (this.#conn === conn) this.#waiting -= octets.length
    }
    this.#blocked = !conn.write([octets], taken)
  }

  #drained(conn: Conn): void {
    this.#blocked = false
    while (!this.#blocked) {
      const next = this.#queue.shift()
      if (!next) break
      this.#hand(conn, next)
    }
    this.#later()
  }

  /** Whatever was told is told again when it is back. */
  #lost(why: string): void {
    if (this.#stopped) return
    const caughtUp = this.#conn !== undefined && this.#waiting === 0
    this.#conn?.close(false)
    this.#release()
    if (caughtUp) this.#retry = this.#options.retry ?? 30
    this.#say(`${why}; it is tried again`)
    this.#cancel = this.#clock.at(this.#clock.now() + this.#retry * 1000, () => this.#connect())
    this.#retry = Math.min(2 * this.#retry, LONGEST_RETRY)
  }

  #release(): void {
    this.#monitor?.stop()
    this.#monitor = undefined
    this.#conn = undefined
    this.#off()
    this.#cancelStatistics()
  }

  #reportEvery(period: number): void {
    this.#cancelStatistics = this.#clock.at(this.#clock.now() + period, () => {
      this.#monitor?.report()
      this.#reportEvery(period)
    })
  }

  #pump(): void {
    if (this.#monitor?.pump()) this.#later()
  }

  #later(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      this.#pump()
    })
  }

  /** The same is not told twice in a row. */
  #say(what: string): void {
    if (this.#told === what) return
    this.#told = what
    const { address, port } = this.#options
    this.#report(`BMP station ${address} port ${port} ${what}`)
  }
}

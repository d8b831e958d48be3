// One end of the probe, a program of its own in a pod's namespace: sends numbered packets to each target, and notes which
// numbers of the other end's arrive. Started by probe.ts, which asks it over IPC.
//
// It tells apart what the network lost from what this program could not do: a packet that was not sent in time has no number, one
// that the kernel refused to send is listed, and what arrived but found the socket's buffer full is counted by the kernel.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { EndOptions, EndState, Range, Received } from './probe.ts'

/** Most packets of one turn: who had to wait for the processor does not make up for it with a burst. */
const atOnce = 20

class Receiver {
  /** The number after the highest that came. */
  #next = 0
  /** Where the run without a gap that ends at `#next` begins. */
  #runStart = 0
  readonly #missing = new Set<number>()

  take(number: number): void {
    if (number < this.#next) {
      this.#missing.delete(number)
      return
    }
    if (number > this.#next) this.#runStart = number
    for (let missing = this.#next; missing < number; missing++) this.#missing.add(missing)
    this.#next = number + 1
  }

  get state(): Received {
    return { next: this.#next, runStart: this.#runStart, missing: ranges([...this.#missing]) }
  }
}

class Flow {
  readonly #options: EndOptions
  readonly #target: string
  readonly #socket: Socket
  readonly #receiver = new Receiver()
  readonly #unsent: number[] = []
  readonly #packet = new Uint8Array(64)
  #sent = 0
  /** Packets due since the start, sent or not. */
  #due = 0

  constructor(target: string, options: EndOptions) {
    this.#target = target
    this.#options = options
    const family = target.includes(':') ? ({ type: 'udp6', ipv6Only: true } as const) : ({ type: 'udp4' } as const)
    this.#socket = createSocket({ ...family, recvBufferSize: 1 << 22 })
    this.#socket.on('message', data => this.#receiver.take(data.readUInt32BE()))
  }

  async listen(): Promise<void> {
    this.#socket.bind(this.#options.port)
    await once(this.#socket, 'listening')
  }

  /** Sends what is due `elapsed` milliseconds after the start. */
  send(elapsed: number): void {
    const due = Math.floor((elapsed * this.#options.perSecond) / 1000)
    const count = Math.min(due - this.#due, atOnce)
    this.#due = due
    for (let i = 0; i < count; i++) {
      const number = this.#sent++
      const packet = this.#packet.slice()
      new DataView(packet.buffer).setUint32(0, number)
      this.#socket.send(packet, this.#options.port, this.#target, error => {
        if (error) this.#unsent.push(number)
      })
    }
  }

  state(): EndState {
    const { family } = this.#socket.address()
    const unread = droppedAtSocket(family === 'IPv6' ? 'udp6' : 'udp', this.#options.port)
    return { sent: this.#sent, unsent: ranges(this.#unsent), received: this.#receiver.state, unread }
  }
}

function ranges(numbers: readonly number[]): readonly Range[] {
  const found: [number, number][] = []
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = found.at(-1)
    if (last?.[1] === number) last[1]++
    else found.push([number, number + 1])
  }
  return found
}

/** The last column of /proc/net/udp: datagrams for which the socket's buffer had no room. */
function droppedAtSocket(table: 'udp' | 'udp6', port: number): number {
  const mark = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync(`/proc/net/${table}`, 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
  return Number(rows.find(row => row[1]?.endsWith(mark))?.at(-1) ?? 0)
}

const options = JSON.parse(process.argv[2]) as EndOptions
const flows = options.targets.map(target => new Flow(target, options))
await Promise.all(flows.map(flow => flow.listen()))
let started = 0
process.on('message', question => {
  if (question === 'start') {
    started = performance.now()
    // No oftener than there is something to send: to an interpreter in an emulated machine a thousand turns a second are its processor.
    setInterval(
      () => {
        for (const flow of flows) flow.send(performance.now() - started)
      },
      Math.max(1, 1000 / options.perSecond),
    )
  } else if (question === 'state') process.send?.(flows.map(flow => flow.state()))
})
process.on('disconnect', () => process.exit())
process.send?.('ready')

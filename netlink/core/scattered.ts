// Messages that may reach the kernel in any order, and do so scattered: by their positions with the bits reversed, over all of them.

import { setImmediate as nextTurn } from 'node:timers/promises'

/** Which messages of a subject may, and how they are compared. */
export interface Scattering {
  /** The message that begins there: 0 if its place matters, else a number that it shares with those it may be mixed with. */
  kindOf(words: Uint32Array, start: number): number
  /** Whether messages of one kind, which begin there, are about things that all differ. */
  areDistinct(words: Uint32Array, starts: Uint32Array): boolean
}

/** Sends messages that may be used until the next turn, of these requests; `indexOf` finds the one of a sequence number. */
export type SendSlice = (
  messages: Uint8Array,
  requests: readonly number[],
  indexOf: (sequence: number) => number,
) => void

/** The words of struct nlmsghdr that are its length in octets and its sequence number. */
const LENGTH = 0
const SEQUENCE = 2

/** Messages of one kind that wait until all of it are there. */
export class ScatteredRun {
  readonly #scattering: Scattering
  #words = new Uint32Array(64 * 1024)
  #length = 0
  #starts: number[] = []
  #requests: number[] = []
  /** 0: none waits. */
  kind = 0

  constructor(scattering: Scattering) {
    this.#scattering = scattering
  }

  /** The kind that all of these messages are of, or 0. */
  kindOf(messages: Uint8Array): number {
    const words = wordsOf(messages)
    let kind = 0
    for (let at = 0; at < words.length; at += wordsIn(words, at)) {
      const one = this.#scattering.kindOf(words, at)
      if (one === 0 || (at > 0 && one !== kind)) return 0
      kind = one
    }
    return kind
  }

  /** Messages of one kind, and the index of the request that each is. */
  add(kind: number, messages: Uint8Array, requests: readonly number[]): void {
    this.kind = kind
    const words = wordsOf(messages)
    if (this.#length + words.length > this.#words.length) {
      const larger = new Uint32Array(2 * (this.#length + words.length))
      larger.set(this.#words.subarray(0, this.#length))
      this.#words = larger
    }
    this.#words.set(words, this.#length)
    for (let at = 0; at < words.length; at += wordsIn(words, at)) this.#starts.push(this.#length + at)
    this.#length += words.length
    for (const request of requests) this.#requests.push(request)
  }

  /** Sends all that wait, so many at once and a turn. */
  async drain(atOnce: number, sequences: (count: number) => number, send: SendSlice): Promise<void> {
    const [words, starts, requests] = [this.#words, Uint32Array.from(this.#starts), this.#requests]
    const order = this.#scattering.areDistinct(words, starts) ? scattered(starts.length) : starts.map((_, i) => i)
    const out = new Uint32Array(atOnce * longest(words, starts))
    this.kind = 0
    this.#length = 0
    this.#starts = []
    this.#requests = []
    for (let from = 0; from < order.length; from += atOnce) {
      if (from > 0) await nextTurn()
      const part = order.subarray(from, from + atOnce)
      const first = sequences(part.length)
      let at = 0
      for (let i = 0; i < part.length; i++) {
        const start = starts[part[i]]
        const end = start + wordsIn(words, start)
        for (let word = start; word < end; word++) out[at++] = words[word]
        out[at - (end - start) + SEQUENCE] = first + i
      }
      const sent = Array.from(part, i => requests[i])
      send(new Uint8Array(out.buffer, 0, 4 * at), sent, sequence => sent[(sequence - first) >>> 0])
    }
  }
}

/** The numbers below `count`, by themselves with the bits reversed. */
export function scattered(count: number): Uint32Array {
  const order = new Uint32Array(count)
  const top = 2 ** Math.ceil(Math.log2(count)) / 2
  let number = 0
  for (let at = 0; at < count;) {
    if (number < count) order[at++] = number
    // One more, counted from the highest bit down.
    let bit = top
    while (number & bit) {
      number ^= bit
      bit >>= 1
    }
    number |= bit
  }
  return order
}

function wordsOf({ buffer, byteOffset, length }: Uint8Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length / 4)
}

/** Filled up to whole words. */
function wordsIn(words: Uint32Array, start: number): number {
  return (words[start + LENGTH] + 3) >> 2
}

function longest(words: Uint32Array, starts: Uint32Array): number {
  let most = 0
  for (const start of starts) most = Math.max(most, wordsIn(words, start))
  return most
}

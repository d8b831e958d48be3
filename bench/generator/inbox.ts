// What a receiver was sent, kept as it came with the time at which each piece came.
//
// While the clock runs, messages are only told from one another, so that the receiver is never what is measured; `check.ts` reads
// them afterwards.

import { HEADER_LENGTH, messageLength, UPDATE } from '../../bgp/wire/header.ts'

const MOST_AT_ONCE = 256 * 1024

export class Inbox {
  octets: Buffer
  /** `[0, end)` has come, whole messages are in `[0, framed)`. */
  end = 0
  framed = 0
  /** When the octets up to `ends[i]` were there, milliseconds. */
  readonly ends: number[] = []
  readonly times: number[] = []
  /** Called for each whole message that is no UPDATE, with its first octet and its length. */
  onOther: ((type: number, at: number, length: number) => void) | undefined

  constructor(capacity: number) {
    // Pages that nothing comes into are never touched.
    this.octets = Buffer.allocUnsafeSlow(capacity)
  }

  /** Where the next octets go. */
  room(): Buffer {
    if (this.octets.length - this.end < MOST_AT_ONCE) this.#grow()
    return this.octets.subarray(this.end, this.end + MOST_AT_ONCE)
  }

  /** That many octets have come into `into`, which `room()` gave before, perhaps long before. */
  received(count: number, into: Uint8Array): void {
    const { octets } = this
    const isInPlace = into.buffer === octets.buffer && into.byteOffset === octets.byteOffset + this.end
    if (!isInPlace) octets.set(into.subarray(0, count), this.end)
    this.end += count
    this.ends.push(this.end)
    this.times.push(performance.now())
    this.#frame()
  }

  /** Forgets all whole messages. */
  clear(): void {
    this.octets.copyWithin(0, this.framed, this.end)
    this.end -= this.framed
    this.framed = 0
    this.ends.length = this.times.length = 0
  }

  #frame(): void {
    const { octets } = this
    while (this.end - this.framed >= HEADER_LENGTH) {
      const at = this.framed
      const length = messageLength(octets, at)
      if (length < HEADER_LENGTH || this.end - at < length) return
      this.framed += length
      if (octets[at + 18] !== UPDATE) this.onOther?.(octets[at + 18], at, length)
    }
  }

  #grow(): void {
    const grown = Buffer.allocUnsafeSlow(2 * this.octets.length)
    this.octets.copy(grown, 0, 0, this.end)
    this.octets = grown
  }
}

// The prefixes of one family: dense ids from 1, their columns, and the look-up by address and length.
//
// IPv4 and IPv6 differ in the number of 32-bit address words only (1 or 4). An id is freed by whoever knows that no
// cursor will ask for it any more; a freed id is given out again.

import { addressFrom, formatPrefix, type PrefixKey, prefixText4, parsePrefix } from '../../inet/index.ts'
import { type Column, column, FIRST, type Octets, resized, roundUp, type Words } from './columns.ts'
import { mix, ShardedIndex } from './sharded-index.ts'

/** In `flags`: on the list of prefixes that wait to be freed. */
export const UNUSED = 1

export class PrefixTable extends ShardedIndex {
  /** Bits in an address. */
  readonly bits: 32 | 128
  /** First path of the prefix; 0 = none. */
  firstPath: Words
  /** Best path, as last decided; 0 = none. */
  best: Words
  flags: Octets
  /** Ids in use. */
  size = 0
  /** Ids given out so far lie below this one. */
  end = 1

  readonly #wide: boolean
  readonly #seed: number
  #length: Octets
  /** Address words; an IPv4 table uses the first alone, and of a prefix of at most 64 bits the last two say nothing. */
  #a0: Words
  #a1: Words
  #a2: Words
  #a3: Words
  #free = 0
  #capacity = FIRST
  // The prefix that `read` has read, its words as signed numbers.
  #k0 = 0
  #k1 = 0
  #k2 = 0
  #k3 = 0
  #kLength = 0

  constructor(bits: 32 | 128, seed: number, reserve: number) {
    super()
    this.bits = bits
    this.#wide = bits === 128
    this.#seed = mix(seed)
    const words = () => column(Uint32Array, FIRST, reserve)
    this.firstPath = words()
    this.best = words()
    this.flags = column(Uint8Array, FIRST, reserve)
    this.#length = column(Uint8Array, FIRST, reserve)
    this.#a0 = words()
    const none = column(Uint32Array, 0, 0)
    this.#a1 = this.#wide ? words() : none
    this.#a2 = this.#wide ? words() : none
    this.#a3 = this.#wide ? words() : none
  }

  /** Entries that every column by prefix id must have. */
  get capacity(): number {
    return this.#capacity
  }

  /** Reads one NLRI (RFC 4271 §4.3) at `at`, host bits cleared, as the prefix to look for; returns the offset after it. */
  read(octets: Uint8Array, at: number): number {
    const length = octets[at]
    const end = at + 1 + ((length + 7) >> 3)
    this.#kLength = length
    this.#k0 = word(octets, at + 1, end, length)
    if (this.#wide) {
      this.#k1 = word(octets, at + 5, end, length - 32)
      this.#k2 = word(octets, at + 9, end, length - 64)
      this.#k3 = word(octets, at + 13, end, length - 96)
    }
    return end
  }

  /** Makes a prefix given as text the one to look for; false if it is no prefix of this family. */
  readText(text: string): boolean {
    const prefix = parsePrefix(text)
    if (!prefix || prefix.octets.length * 8 !== this.bits) return false
    this.read(Uint8Array.of(prefix.length, ...prefix.octets), 0)
    return true
  }

  /** The id of the prefix read last; 0 if it is unknown. */
  find(): number {
    return this.findId(this.#hash(this.#k0, this.#k1, this.#k2, this.#k3, this.#kLength))
  }

  /** The id of the prefix read last, a new one if it was unknown. */
  obtain(): number {
    const hash = this.#hash(this.#k0, this.#k1, this.#k2, this.#k3, this.#kLength)
    const known = this.findId(hash)
    if (known !== 0) return known
    const id = this.#take()
    this.#a0[id] = this.#k0
    if (this.#wide) {
      this.#a1[id] = this.#k1
      if (this.#kLength > 64) {
        this.#a2[id] = this.#k2
        this.#a3[id] = this.#k3
      }
    }
    this.#length[id] = this.#kLength
    this.addId(hash, id)
    this.size++
    return id
  }

  /** Gives the id back. No path and no cursor may refer to it. */
  release(id: number): void {
    this.removeId(this.hashOf(id), id)
    this.flags[id] = 0
    this.best[id] = 0
    this.#length[id] = 255
    this.firstPath[id] = this.#free
    this.#free = id
    this.size--
  }

  /** Whether the id stands for a prefix now. */
  has(id: number): boolean {
    return id > 0 && id < this.end && this.#length[id] !== 255
  }

  length(id: number): number {
    return this.#length[id]
  }

  /** The n-th 32 bits of the address, 0 ≤ n < length / 32: what the prefix does not reach is not kept. */
  word(id: number, n: number): number {
    return n === 0 ? this.#a0[id] : n === 1 ? this.#a1[id] : n === 2 ? this.#a2[id] : this.#a3[id]
  }

  get longestNlri(): number {
    return 1 + this.bits / 8
  }

  /** Octets of the prefix as NLRI. */
  nlriLength(id: number): number {
    return 1 + ((this.#length[id] + 7) >> 3)
  }

  /** Writes the prefix as NLRI (host bits zero); returns the offset after it. */
  putNlri(id: number, out: Uint8Array, at: number): number {
    const length = this.#length[id]
    const end = at + 1 + ((length + 7) >> 3)
    out[at++] = length
    for (let n = 0; at < end; n++) {
      const value = this.word(id, n) | 0
      out[at++] = value >>> 24
      if (at < end) out[at++] = value >>> 16
      if (at < end) out[at++] = value >>> 8
      if (at < end) out[at++] = value
    }
    return end
  }

  /** `10.42.0.0/26`. */
  text(id: number): string {
    if (!this.#wide) return prefixText4(this.#a0[id] | 0, this.#length[id])
    const octets = new Uint8Array(this.bits / 8 + 1)
    this.putNlri(id, octets, 0)
    const { family, octets: address } = addressFrom(octets.subarray(1))
    return formatPrefix({ family, octets: address, length: this.#length[id] })
  }

  key(id: number): PrefixKey {
    const text = this.text(id)
    return this.#wide ? { text, word: 0, length: -1 } : { text, word: this.#a0[id] | 0, length: this.#length[id] }
  }

  protected override hashOf(id: number): number {
    const length = this.#length[id]
    if (!this.#wide) return this.#hash(this.#a0[id] | 0, 0, 0, 0, length)
    if (length <= 64) return this.#hash(this.#a0[id] | 0, this.#a1[id] | 0, 0, 0, length)
    return this.#hash(this.#a0[id] | 0, this.#a1[id] | 0, this.#a2[id] | 0, this.#a3[id] | 0, length)
  }

  protected override isSought(id: number): boolean {
    if ((this.#a0[id] | 0) !== this.#k0 || this.#length[id] !== this.#kLength) return false
    if (!this.#wide) return true
    if ((this.#a1[id] | 0) !== this.#k1) return false
    return this.#kLength <= 64 || ((this.#a2[id] | 0) === this.#k2 && (this.#a3[id] | 0) === this.#k3)
  }

  /**
   * Prefixes of one length that differ in their last three bits only differ so in their hash, too: their slots are side by
   * side. Tables have many such runs, and the next of one is then found in a line of memory that is at hand already.
   */
  #hash(w0: number, w1: number, w2: number, w3: number, length: number): number {
    const last = length <= 32 ? w0 : length <= 64 ? w1 : length <= 96 ? w2 : w3
    const place = (last >>> -length) & 7
    const rest = last ^ (place << -length)
    let h = Math.imul((length <= 32 ? rest : w0) ^ this.#seed, 0x9e3779b1)
    h ^= h >>> 15
    if (this.#wide) {
      h = Math.imul(h ^ (length > 32 && length <= 64 ? rest : w1), 0x85ebca77)
      h ^= h >>> 13
      if (length > 64) {
        h = Math.imul(h ^ (length <= 96 ? rest : w2), 0xc2b2ae3d)
        h ^= h >>> 16
        h = Math.imul(h ^ (length > 96 ? rest : w3), 0x27d4eb2f)
        h ^= h >>> 15
      }
    }
    h = mix(h ^ Math.imul(length, 0x165667b1) ^ this.#seed)
    // Also in the bits that a slot keeps of the hash, so that neighbours are told apart there.
    return (h & ~7) ^ (place | (place << 16))
  }

  #take(): number {
    if (this.#free !== 0) {
      const id = this.#free
      this.#free = this.firstPath[id]
      this.firstPath[id] = 0
      return id
    }
    if (this.end === this.#capacity) this.#grow()
    return this.end++
  }

  #grow(): void {
    this.#capacity = roundUp(this.#capacity + 1)
    const grown = <T extends Column>(old: T): T => resized(old, this.#capacity)
    this.firstPath = grown(this.firstPath)
    this.best = grown(this.best)
    this.flags = grown(this.flags)
    this.#length = grown(this.#length)
    this.#a0 = grown(this.#a0)
    if (!this.#wide) return
    this.#a1 = grown(this.#a1)
    this.#a2 = grown(this.#a2)
    this.#a3 = grown(this.#a3)
  }
}

/** Up to four octets from `at` as the top of a signed 32-bit word of which `bits` count (≤ 0: none). */
function word(octets: Uint8Array, at: number, end: number, bits: number): number {
  if (bits <= 0) return 0
  let value = octets[at] << 24
  if (at + 1 < end) value |= octets[at + 1] << 16
  if (at + 2 < end) value |= octets[at + 2] << 8
  if (at + 3 < end) value |= octets[at + 3]
  return bits >= 32 ? value : value & (-1 << (32 - bits))
}

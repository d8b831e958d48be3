// A map by prefix that need not know its text. An IPv4 prefix is found by its address as a number and by its length: of tables of
// hundreds of thousands of routes, texts that are hashed, compared and read again at every step are most of the work. Other prefixes,
// of which there are fewer, are found by their canonical text.

import { octetsOf4 } from './address.ts'
import { packedPrefix4, parsePrefix, type Prefix } from './prefix.ts'

/** A prefix as maps look it up: made once, and handed along with what is said of the prefix. Never written to. */
export interface PrefixKey {
  /** Canonical. */
  readonly text: string
  /** IPv4: the address as a signed number. */
  readonly word: number
  /** -1: not IPv4, so the text says it all. */
  readonly length: number
}

/** Of a canonical text; an IPv4 address without a length is a host prefix. */
export function keyOf(text: string): PrefixKey {
  const packed = packedPrefix4(text)
  if (packed < 0) return { text, word: 0, length: -1 }
  const canonical = text.includes('/') ? text : `${text}/32`
  return { text: canonical, word: Math.floor(packed / 64) | 0, length: packed % 64 }
}

/** The prefix that a key stands for; undefined: its text is none. */
export function prefixFrom({ text, word, length }: PrefixKey): Prefix | undefined {
  if (length < 0) return parsePrefix(text)
  return { family: 4, octets: octetsOf4(word), length }
}

const initialSlots = 64

/** Whoever wants prefixes to meet in one slot would have to know it. */
const seed = Math.floor(Math.random() * 2 ** 32) | 0

/** A text does instead of a key, and costs that it is read. */
export class PrefixMap<V extends object | string | number> {
  /** Two words each: the address, and 64 times the number of the entry plus the length; both 0: empty. */
  #slots = new Int32Array(2 * initialSlots)
  /** By number, from 1 on. */
  readonly #keys: (PrefixKey | undefined)[] = [undefined]
  readonly #values: (V | undefined)[] = [undefined]
  readonly #free: number[] = []
  #size4 = 0
  /** The prefix that was looked for last, and where it is or would be: what is not there is often put there next. */
  #lastWord = 0
  #lastLength = -1
  #lastAt = 0
  readonly #others = new Map<string, V>()

  get size(): number {
    return this.#size4 + this.#others.size
  }

  get(prefix: string | PrefixKey): V | undefined {
    if (this.#size4 + this.#others.size === 0) return undefined
    const { text, word, length } = typeof prefix === 'string' ? keyOf(prefix) : prefix
    if (length < 0) return this.#others.get(text)
    return this.#values[this.#slots[this.#find(word, length) + 1] >> 6]
  }

  set(prefix: string | PrefixKey, value: V): void {
    const key = typeof prefix === 'string' ? keyOf(prefix) : prefix
    if (key.length < 0) {
      this.#others.set(key.text, value)
      return
    }
    const at = this.#find(key.word, key.length)
    const known = this.#slots[at + 1] >> 6
    if (known !== 0) this.#values[known] = value
    else this.#add(at, key, value)
  }

  /** True if it was there. */
  delete(prefix: string | PrefixKey): boolean {
    if (this.#size4 + this.#others.size === 0) return false
    const { text, word, length } = typeof prefix === 'string' ? keyOf(prefix) : prefix
    if (length < 0) return this.#others.delete(text)
    const at = this.#find(word, length)
    const number = this.#slots[at + 1] >> 6
    if (number === 0) return false
    this.#keys[number] = this.#values[number] = undefined
    this.#free.push(number)
    this.#size4--
    this.#close(at)
    return true
  }

  *keys(): IterableIterator<PrefixKey> {
    for (const key of this.#keys) if (key) yield key
    for (const text of this.#others.keys()) yield keyOf(text)
  }

  *values(): IterableIterator<V> {
    for (const value of this.#values) if (value !== undefined) yield value
    yield* this.#others.values()
  }

  #add(at: number, key: PrefixKey, value: V): void {
    const number = this.#free.pop() ?? this.#values.length
    this.#keys[number] = key
    this.#values[number] = value
    this.#slots[at] = key.word
    this.#slots[at + 1] = (number << 6) | key.length
    if (++this.#size4 * 4 > this.#slots.length) this.#grow()
  }

  /** Where the prefix is, or would be. */
  #find(word: number, length: number): number {
    if (word === this.#lastWord && length === this.#lastLength) return this.#lastAt
    const slots = this.#slots
    const mask = slots.length - 1
    let at = this.#home(word, length)
    while (slots[at + 1] !== 0 && (slots[at] !== word || (slots[at + 1] & 63) !== length)) at = (at + 2) & mask
    this.#lastWord = word
    this.#lastLength = length
    this.#lastAt = at
    return at
  }

  /** Prefixes of one length that differ in their last three bits only lie side by side: tables have many such runs. */
  #home(word: number, length: number): number {
    const shift = -length & 31
    const place = (word >>> shift) & 7
    let hash = Math.imul(word ^ (place << shift) ^ seed, 0x9e3779b1)
    hash = Math.imul(hash ^ (hash >>> 15) ^ length, 0x85ebca77)
    hash ^= hash >>> 13
    return (((hash & ~7) | place) << 1) & (this.#slots.length - 1)
  }

  /** Empties a slot, and moves up what would not be found across it. */
  #close(hole: number): void {
    this.#lastLength = -1
    const slots = this.#slots
    const mask = slots.length - 1
    for (let at = (hole + 2) & mask; slots[at + 1] !== 0; at = (at + 2) & mask) {
      const home = this.#home(slots[at], slots[at + 1] & 63)
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      slots[hole] = slots[at]
      slots[hole + 1] = slots[at + 1]
      hole = at
    }
    slots[hole] = slots[hole + 1] = 0
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Int32Array(4 * old.length)
    this.#lastLength = -1
    for (let from = 0; from < old.length; from += 2) {
      if (old[from + 1] === 0) continue
      const at = this.#find(old[from], old[from + 1] & 63)
      this.#slots[at] = old[from]
      this.#slots[at + 1] = old[from + 1]
    }
  }
}

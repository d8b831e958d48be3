// From a prefix on the wire to its index in the table.

import type { Table } from './table.ts'

export class PrefixIndex {
  readonly #table: Table
  /** Index + 1 by hash; open addressing. */
  readonly #slots: Uint32Array
  readonly #mask: number

  constructor(table: Table) {
    this.#table = table
    const size = 2 ** Math.ceil(Math.log2(table.length * 2 + 1))
    this.#slots = new Uint32Array(size)
    this.#mask = size - 1
    for (let i = 0; i < table.length; i++) {
      let slot = this.#slotOf(table.high[i], table.low[i], table.lengths[i])
      while (this.#slots[slot] !== 0) {
        if (this.#is(this.#slots[slot] - 1, table.high[i], table.low[i], table.lengths[i]))
          throw new Error(`the table has a prefix twice, at ${i}`)
        slot = (slot + 1) & this.#mask
      }
      this.#slots[slot] = i + 1
    }
  }

  /** −1 if the table does not have it. */
  find(high: number, low: number, length: number): number {
    for (let slot = this.#slotOf(high, low, length); ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot] - 1
      if (index < 0 || this.#is(index, high, low, length)) return index
    }
  }

  #is(index: number, high: number, low: number, length: number): boolean {
    const { high: highs, low: lows, lengths } = this.#table
    return highs[index] === high && lows[index] === low && lengths[index] === length
  }

  #slotOf(high: number, low: number, length: number): number {
    let hash = Math.imul(high ^ Math.imul(low, 0x85ebca6b) ^ (length << 3), 0x9e3779b1)
    hash ^= hash >>> 15
    return (Math.imul(hash, 0x2c1b3c6d) >>> 7) & this.#mask
  }
}

// A memo from attribute set to attribute set, by id, that holds no reference.
//
// Every set ever made has a serial number. An entry counts only while both its ends still bear the serial they had when
// it was written, so nothing has to be told when a set is freed, and two memos cannot keep each other's sets alive.

import type { AttributeSets } from '../tables/attribute-sets.ts'
import { type Column, column, resized } from '../tables/columns.ts'

/** Entries of a column that is to hold this set: few at first, for each session has such columns, and in a mesh of nodes few sets. */
export const roomFor = (sets: AttributeSets, set: number): number => Math.min(sets.capacity, 2 * set + 64)

export class SetMemo {
  readonly #sets: AttributeSets
  /** Serial of the key; 0 = empty. */
  #key = column(Uint32Array, 0, 0)
  #value = column(Uint32Array, 0, 0)
  #serial = column(Uint32Array, 0, 0)

  constructor(sets: AttributeSets) {
    this.#sets = sets
  }

  /** The set remembered, without a reference; 0 if "no set" was remembered, -1 if nothing was. */
  get(set: number): number {
    if (set >= this.#key.length || this.#key[set] !== this.#sets.serial[set]) return -1
    const value = this.#value[set]
    return value === 0 || this.#sets.serial[value] === this.#serial[set] ? value : -1
  }

  put(set: number, value: number): void {
    if (set >= this.#key.length) {
      const entries = roomFor(this.#sets, set)
      const grown = <T extends Column>(old: T): T => resized(old, entries)
      this.#key = grown(this.#key)
      this.#value = grown(this.#value)
      this.#serial = grown(this.#serial)
    }
    this.#key[set] = this.#sets.serial[set]
    this.#value[set] = value
    this.#serial[set] = value === 0 ? 0 : this.#sets.serial[value]
  }
}

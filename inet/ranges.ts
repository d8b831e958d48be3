// A few prefixes, of which the one around another is sought hundreds of thousands of times: of IPv4 by numbers, without an object.

import type { Address } from './address.ts'
import { contains, type Prefix } from './prefix.ts'
import type { PrefixKey } from './prefix-map.ts'

export class Ranges<T extends { readonly prefix: Prefix }> {
  readonly #all: readonly T[]
  /** Of each its address and the mask of its length. */
  readonly #words: Int32Array
  readonly #masks: Int32Array
  /** Of IPv6 beyond any of IPv4. */
  readonly #lengths: Uint8Array

  constructor(all: readonly T[]) {
    this.#all = all
    this.#words = Int32Array.from(all, ({ prefix: { octets } }) =>
      new DataView(octets.buffer, octets.byteOffset).getInt32(0),
    )
    this.#masks = Int32Array.from(all, ({ prefix: { length } }) => (length === 0 ? 0 : -1 << (32 - length)))
    this.#lengths = Uint8Array.from(all, ({ prefix: { family, length } }) => (family === 4 ? length : 255))
  }

  /** The first that holds an address, or the whole of a prefix; one holds itself. Of keys those of IPv4 alone. */
  around(of: Address | Prefix | PrefixKey): T | undefined {
    if ('octets' in of) return this.#all.find(({ prefix }) => contains(prefix, of))
    const { word, length } = of
    for (let i = 0; i < this.#words.length; i++)
      if (this.#lengths[i] <= length && ((word ^ this.#words[i]) & this.#masks[i]) === 0) return this.#all[i]
    return undefined
  }
}

// A longest-prefix-match table: one hash map per prefix length, tried from the longest.
//
// Small and exact rather than fast: it serves next-hop look-ups and pool searches, not the RIB.

import { type Address, bitsOf, type IpFamily } from './address.ts'
import { formatPrefix, type Prefix, prefixOf } from './prefix.ts'

export class PrefixTable<V> {
  readonly #lengths = new Map<IpFamily, Map<number, Map<string, { prefix: Prefix; value: V }>>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  set(prefix: Prefix, value: V): void {
    let family = this.#lengths.get(prefix.family)
    if (!family) this.#lengths.set(prefix.family, (family = new Map()))
    let length = family.get(prefix.length)
    if (!length) family.set(prefix.length, (length = new Map()))
    const key = formatPrefix(prefix)
    if (!length.has(key)) this.#size++
    length.set(key, { prefix, value })
  }

  get(prefix: Prefix): V | undefined {
    return this.#lengths.get(prefix.family)?.get(prefix.length)?.get(formatPrefix(prefix))?.value
  }

  delete(prefix: Prefix): boolean {
    const family = this.#lengths.get(prefix.family)
    const length = family?.get(prefix.length)
    if (!family || !length?.delete(formatPrefix(prefix))) return false
    if (length.size === 0) family.delete(prefix.length)
    this.#size--
    return true
  }

  /** The most specific entry that holds the address and that `accept` (if given) takes. */
  match(
    address: Address,
    accept: (value: V, prefix: Prefix) => boolean = () => true,
  ): { prefix: Prefix; value: V } | undefined {
    const family = this.#lengths.get(address.family)
    if (!family) return undefined
    for (let length = bitsOf(address.family) as number; length >= 0; length--) {
      const found = family.get(length)?.get(formatPrefix(prefixOf(address, length)))
      if (found && accept(found.value, found.prefix)) return found
    }
    return undefined
  }

  *[Symbol.iterator](): IterableIterator<{ prefix: Prefix; value: V }> {
    for (const family of this.#lengths.values()) for (const length of family.values()) yield* length.values()
  }
}

// Things by the address they are at, whatever the notation.

import { sameZone, zoned } from './addresses.ts'

interface Entry<T> {
  readonly value: T
  readonly zone: string | undefined
}

export class ByAddress<T> {
  readonly #entries = new Map<string, Entry<T>[]>()
  readonly #places = new Map<T, string>()

  /** It is there from now on, and no longer where it was. */
  put(address: string, value: T): void {
    if (this.#places.get(value) === address) return
    this.delete(value)
    this.#places.set(value, address)
    const { bare, zone } = zoned(address)
    const entries = this.#entries.get(bare)
    if (entries) entries.push({ value, zone })
    else this.#entries.set(bare, [{ value, zone }])
  }

  delete(value: T): void {
    const address = this.#places.get(value)
    if (address === undefined) return
    this.#places.delete(value)
    const { bare } = zoned(address)
    const left = this.#entries.get(bare)?.filter(entry => entry.value !== value) ?? []
    if (left.length > 0) this.#entries.set(bare, left)
    else this.#entries.delete(bare)
  }

  /** All that are there. The zone of a link-local address counts only if both have one. */
  at(address: string): T[] {
    const { bare, zone } = zoned(address)
    const entries = this.#entries.get(bare) ?? []
    return entries.flatMap(each => (sameZone(zone, each.zone) ? [each.value] : []))
  }
}

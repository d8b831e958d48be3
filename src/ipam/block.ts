// One block in memory: which of its addresses are free, the longest free first.
//
// Every address can be given, the first and the last too: pods have /32 and /128, so there is no broadcast. What was used lately
// comes last, so that nobody's packets reach a new pod that has the address of a dead one.

import {
  type Address,
  addressAt,
  formatAddress,
  formatPrefix,
  indexOf,
  parseAddress,
  type Prefix,
  sizeOf,
} from '../../inet/index.ts'

export class Block {
  readonly prefix: Prefix
  readonly cidr: string
  readonly pool: string
  readonly claimedAt: string
  readonly size: number
  readonly #used = new Set<number>()
  /** In the order in which they will be given. */
  readonly #free = new Set<number>()

  /** `used` and `freed` may name addresses outside the block; `freed` is ordered, longest free first. */
  constructor(
    of: { readonly prefix: Prefix; readonly pool: string; readonly claimedAt: string },
    used: Iterable<string>,
    freed: Iterable<string>,
  ) {
    this.prefix = of.prefix
    this.cidr = formatPrefix(of.prefix)
    this.pool = of.pool
    this.claimedAt = of.claimedAt
    this.size = sizeOf(of.prefix)
    for (const address of used) this.take(address)
    const before = [...freed].map(address => this.#indexOf(address)).filter(i => i >= 0 && !this.#used.has(i))
    const recent = new Set(before)
    for (let i = 0; i < this.size; i++) if (!this.#used.has(i) && !recent.has(i)) this.#free.add(i)
    for (const i of before) this.#free.add(i)
  }

  get used(): number {
    return this.#used.size
  }

  /** The address to give next; it stays free until it is taken. */
  next(): string | undefined {
    const [first] = this.#free
    return first === undefined ? undefined : formatAddress(addressAt(this.prefix, first))
  }

  has(address: Address): boolean {
    return indexOf(this.prefix, address) >= 0
  }

  isFree(address: string): boolean {
    return this.#free.has(this.#indexOf(address))
  }

  /** Nothing happens to an address outside the block. */
  take(address: string): void {
    const i = this.#indexOf(address)
    if (i < 0) return
    this.#free.delete(i)
    this.#used.add(i)
  }

  free(address: string): void {
    const i = this.#indexOf(address)
    if (this.#used.delete(i)) this.#free.add(i)
  }

  #indexOf(text: string): number {
    const address = parseAddress(text)
    return address ? indexOf(this.prefix, address) : -1
  }
}

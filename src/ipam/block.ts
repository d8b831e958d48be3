// One block in memory: which of its addresses are free, the longest free first.
//
// Every address can be given, the first and the last too: pods have /32 and /128, so there is no broadcast. What was used lately
// comes last, and not before its cooldown is over, so that nobody's packets reach a new pod that has the address of a dead one.

import {
  type Address,
  addressAt,
  bitsOf,
  contains,
  formatAddress,
  formatPrefix,
  indexOf,
  parseAddress,
  type Prefix,
  sizeOf,
  subnetAt,
  subnetCount,
} from '../../inet/index.ts'

/** Which of the free addresses may be given to whoever asks for any. */
export interface GivingRules {
  /** Milliseconds since 1970. */
  readonly now: number
  /** Milliseconds that an address rests after its release. */
  readonly cooldown: number
  readonly reserved: readonly Prefix[]
}

export interface Candidate {
  readonly address: string
  /** When it was released, milliseconds since 1970; -Infinity: it was never used. */
  readonly freeSince: number
}

export class Block {
  readonly prefix: Prefix
  readonly cidr: string
  readonly pool: string
  readonly claimedAt: string
  readonly size: number
  readonly #used = new Set<number>()
  /** In the order in which they will be given. */
  readonly #free = new Set<number>()
  /** When an address was released, milliseconds since 1970. */
  readonly #freedAt = new Map<number, number>()

  /** `used` and `freed` (when: ISO 8601) may name addresses outside the block; `freed` is ordered, longest free first. */
  constructor(
    of: { readonly prefix: Prefix; readonly pool: string; readonly claimedAt: string },
    used: Iterable<string>,
    freed: Iterable<readonly [string, string]>,
  ) {
    this.prefix = of.prefix
    this.cidr = formatPrefix(of.prefix)
    this.pool = of.pool
    this.claimedAt = of.claimedAt
    this.size = sizeOf(of.prefix)
    for (const address of used) this.take(address)
    for (const [address, at] of freed) {
      const i = this.#indexOf(address)
      if (i >= 0 && !this.#used.has(i)) this.#freedAt.set(i, Date.parse(at))
    }
    for (let i = 0; i < this.size; i++) if (!this.#used.has(i) && !this.#freedAt.has(i)) this.#free.add(i)
    for (const i of this.#freedAt.keys()) this.#free.add(i)
  }

  get used(): number {
    return this.#used.size
  }

  get hasFree(): boolean {
    return this.#free.size > 0
  }

  /** The address to give next; it stays free until it is taken. */
  next(rules: GivingRules): Candidate | undefined {
    for (const i of this.#free) {
      if (this.#rests(i, rules) || this.#isReserved(i, rules)) continue
      return { address: formatAddress(addressAt(this.prefix, i)), freeSince: this.#freedAt.get(i) ?? -Infinity }
    }
    return undefined
  }

  /** How many addresses can be given, at most one more than `most`. */
  room(rules: GivingRules, most: number): number {
    let count = 0
    for (const i of this.#free) {
      if (count > most) break
      if (!this.#rests(i, rules) && !this.#isReserved(i, rules)) count++
    }
    return count
  }

  /** When its last address in use was released, or the block was claimed if none was; milliseconds since 1970. */
  emptySince(): number {
    return this.#freedAt.size > 0 ? Math.max(...this.#freedAt.values()) : Date.parse(this.claimedAt) || 0
  }

  #rests(i: number, { now, cooldown }: GivingRules): boolean {
    const at = this.#freedAt.get(i)
    return cooldown > 0 && at !== undefined && now - at < cooldown
  }

  #isReserved(i: number, { reserved }: GivingRules): boolean {
    return reserved.some(range => contains(range, addressAt(this.prefix, i)))
  }

  /**
   * The greatest part that another node may have: all free, nothing in it rests or is reserved, at most a quarter of what is free
   * here, or one address.
   */
  sparePart(rules: GivingRules): Prefix | undefined {
    const { prefix } = this
    const isSpare = (i: number): boolean => this.#free.has(i) && !this.#rests(i, rules) && !this.#isReserved(i, rules)
    const most = Math.max(1, Math.floor(this.#free.size / 4))
    for (let length = prefix.length; length <= bitsOf(prefix.family); length++) {
      const count = subnetCount(prefix, length)
      const size = this.size / count
      if (size > most) continue
      // From the end, for addresses are first given from the start.
      for (let n = count - 1; n >= 0; n--)
        if (Array.from({ length: size }, (_, i) => n * size + i).every(isSpare)) return subnetAt(prefix, length, n)
    }
    return undefined
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
    this.#freedAt.delete(i)
    this.#used.add(i)
  }

  /** `at`: ISO 8601. */
  free(address: string, at: string): void {
    const i = this.#indexOf(address)
    if (!this.#used.delete(i)) return
    this.#free.add(i)
    this.#freedAt.set(i, Date.parse(at))
  }

  #indexOf(text: string): number {
    const address = parseAddress(text)
    return address ? indexOf(this.prefix, address) : -1
  }
}

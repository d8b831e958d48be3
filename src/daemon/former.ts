// Remembers for a while which addresses nodes had, from one view of the cluster to the next.

import type { Facts } from '../model/facts.ts'
import { addressesOf, type FormerAddress, movedAddresses } from '../plan/former.ts'
import type { NodeResource } from '../resources/index.ts'

export interface FormerOptions {
  /** This node. */
  readonly node: string
  /** Milliseconds, from any start. */
  readonly now: () => number
  readonly facts: () => Facts
  /** All sessions are up, from the address that the node has now: whoever is at the other end knows it. */
  readonly isKnown: () => boolean
  /** The list is another one now. */
  readonly onChange: () => void
}

/** How long others' former addresses count. Milliseconds. */
export const rememberFor = 60_000
/**
 * How long this node goes on sending from its own former address at least, while it has it: others hear of the new one meanwhile.
 * Milliseconds.
 */
export const sendFor = 3_000

/** Between looks at the sessions while they come up. Milliseconds. */
const lookEvery = 500

interface Remembered extends FormerAddress {
  readonly since: number
}

export class FormerAddresses {
  readonly #options: FormerOptions
  #nodes: readonly NodeResource[] = []
  #remembered: readonly Remembered[] = []
  #list: readonly FormerAddress[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(options: FormerOptions) {
    this.#options = options
  }

  /** The same array until it changes. */
  get list(): readonly FormerAddress[] {
    return this.#list
  }

  /** Compares with the nodes, and with the links, as they are now. */
  look(nodes: readonly NodeResource[]): void {
    const now = this.#options.now()
    const moved = nodes === this.#nodes ? [] : movedAddresses(this.#nodes, nodes).map(one => ({ ...one, since: now }))
    this.#nodes = nodes
    const recent = [...this.#remembered, ...moved].filter(({ since }) => now - since < rememberFor)
    const taken = new Set(recent.length > 0 ? nodes.flatMap(addressesOf) : [])
    this.#remembered = recent.filter(({ address }) => !taken.has(address))
    const list = this.#remembered.map(({ node, address, since }): FormerAddress => {
      const isEarly = now - since < sendFor || !this.#options.isKnown()
      const inUse = node === this.#options.node && isEarly && this.#isHere(address)
      return { node, address, ...(inUse && { inUse }) }
    })
    if (JSON.stringify(list) !== JSON.stringify(this.#list)) this.#list = list
    this.#arm(
      now,
      list.some(({ inUse }) => inUse),
    )
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #isHere(address: string): boolean {
    return this.#options.facts().addresses.some(({ cidr }) => cidr.split('/')[0] === address)
  }

  #arm(now: number, waits: boolean): void {
    clearTimeout(this.#timer)
    const ends = this.#remembered
      .flatMap(({ since }) => [since + sendFor, since + rememberFor])
      .filter(end => end > now)
    if (waits) ends.push(now + lookEvery)
    if (ends.length === 0) return
    this.#timer = setTimeout(() => this.#options.onChange(), Math.min(...ends) - now + 1).unref()
  }
}

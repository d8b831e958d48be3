// What CNI STATUS is answered: whether an ADD can work now, and whether running pods suffer.
//
// A full pool shows only when somebody asks for an address, and asking writes. So the last refusal is remembered: for as long as is
// said, since what ends it may happen elsewhere, and only while the pools and this node's own blocks are as they were.

import { CniError, code } from '../../cni-plugin/protocol/errors.ts'

export interface ReadinessOptions {
  /** Why no pod can be attached now; undefined: it can. */
  readonly obstacle: () => string | undefined
  /** BGP sessions of this node. */
  readonly peers: () => { readonly configured: number; readonly established: number }
  /** Changes whenever pools or this node's addresses do. */
  readonly addresses: () => string
  /** Milliseconds, monotonic. */
  readonly now?: () => number
}

export class Readiness {
  readonly #options: ReadinessOptions
  #refusal: { readonly text: string; readonly addresses: string; readonly until: number } | undefined

  constructor(options: ReadinessOptions) {
    this.#options = options
  }

  /** IPAM had no address for a pod that asked for none in particular. `remember`: milliseconds. */
  refused(text: string, remember: number): void {
    this.#refusal = { text, addresses: this.#options.addresses(), until: this.#now() + remember }
  }

  /** Throws what CNI STATUS says: code 50, or 51 where running pods suffer as well. */
  check(): void {
    const obstacle = this.#options.obstacle() ?? this.#exhausted()
    const { configured, established } = this.#options.peers()
    if (configured > 0 && established === 0)
      throw new CniError(
        code.limitedConnectivity,
        `none of the ${configured} BGP sessions of this node is up${obstacle === undefined ? '' : `; ${obstacle}`}`,
        'See margayctl bgp summary.',
      )
    if (obstacle !== undefined) throw new CniError(code.unavailable, obstacle)
  }

  #exhausted(): string | undefined {
    const refusal = this.#refusal
    if (refusal && refusal.addresses === this.#options.addresses() && this.#now() < refusal.until) return refusal.text
    this.#refusal = undefined
    return undefined
  }

  #now(): number {
    return (this.#options.now ?? (() => performance.now()))()
  }
}

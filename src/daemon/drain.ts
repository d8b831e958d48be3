// A node that is drained (`drain` in its Node): traffic leaves first, then its blocks, and running pods are cut off only if asked.
//
// Every session says from the start that the node is about to go (RFC 8326; plan does that). Peers that know another way take it, and
// those that know none still use this one. After a while for that, a block that no pod has an address of is withdrawn; one with pods
// stays announced until the last of them ends. A tunnel's own address holds its block back only while the node has any pod, whose
// packets need it. Drained `Now`, all blocks are withdrawn at the same moment, pods or not.

import type { DrainView } from '../api/contract.ts'
import type { Ipam } from '../ipam/index.ts'
import { isTunnelOwner } from './tunnels.ts'

export type DrainMode = DrainView['mode']

export interface DrainOptions {
  readonly node: string
  /** Milliseconds, from any start. */
  readonly now: () => number
  /** Its blocks, and who has which address of them. */
  readonly ipam: Pick<Ipam, 'show'>
  /** What is withdrawn has changed. */
  readonly onChange: () => void
}

interface Held {
  readonly cidr: string
  /** Addresses that pods have. */
  readonly pods: number
  /** Something on this node still needs it. */
  readonly isNeeded: boolean
}

/** Milliseconds that peers get to move traffic away. */
export const tellFor = 10_000
/** Milliseconds between looks at what the pods still hold. */
const lookEvery = 1_000

export class Drain {
  readonly #options: DrainOptions
  #mode: DrainMode | undefined
  #since = 0
  #withdrawn: readonly string[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(options: DrainOptions) {
    this.#options = options
  }

  /** What the Node says. `told`: the daemon comes back to it, so peers have had their time. */
  set(mode: DrainMode | undefined, told = false): void {
    if (mode === this.#mode) return
    if (this.#mode === undefined) this.#since = told ? -Infinity : this.#options.now()
    this.#mode = mode
    this.look()
    if (mode !== undefined) this.#timer ??= setInterval(() => this.look(), lookEvery).unref()
    else this.close()
  }

  /** Own blocks that are not announced. The same array until that changes. */
  get withdrawn(): readonly string[] {
    return this.#withdrawn
  }

  /** Why no pod may come; undefined: it may. */
  get obstacle(): string | undefined {
    const { node } = this.#options
    return this.#mode && `node ${node} is being drained and takes no new pods; margayctl node undrain ${node} ends that`
  }

  get status(): DrainView | undefined {
    const mode = this.#mode
    if (mode === undefined) return undefined
    const announced = this.#held().filter(({ cidr }) => !this.#withdrawn.includes(cidr))
    const phase = !this.#told ? 'telling' : announced.length > 0 ? 'waiting' : 'drained'
    return { mode, phase, announced: announced.map(({ cidr }) => cidr), text: this.#text(phase, announced) }
  }

  /** Works out anew what is withdrawn. */
  look(): void {
    const blocks = this.#mode !== undefined && this.#told ? this.#held() : []
    const withdrawn = blocks.filter(({ isNeeded }) => this.#mode === 'Now' || !isNeeded).map(({ cidr }) => cidr)
    if (withdrawn.join() === this.#withdrawn.join()) return
    this.#withdrawn = withdrawn
    this.#options.onChange()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  get #told(): boolean {
    return this.#options.now() - this.#since >= tellFor
  }

  #held(): readonly Held[] {
    const { blocks, addresses } = this.#options.ipam.show()
    const ofPods = addresses.filter(row => !isTunnelOwner(row))
    return blocks.map(({ cidr, used }) => {
      const pods = ofPods.filter(({ block }) => block === cidr).length
      return { cidr, pods, isNeeded: pods > 0 || (used > 0 && ofPods.length > 0) }
    })
  }

  #text(phase: DrainView['phase'], announced: readonly Held[]): string {
    const { node, now } = this.#options
    if (phase === 'drained') return `it announces nothing; margayctl node undrain ${node} brings it back`
    if (phase === 'telling') {
      const seconds = Math.ceil((this.#since + tellFor - now()) / 1000)
      const then = this.#mode === 'Now' ? 'its blocks are withdrawn' : 'blocks without pods are withdrawn'
      return `peers are told to take other ways (GRACEFUL_SHUTDOWN); in ${seconds} s ${then}`
    }
    const withPods = announced.filter(({ pods }) => pods > 0)
    const blocks = withPods.map(({ cidr, pods }) => `${cidr} (${pods} ${pods === 1 ? 'pod' : 'pods'})`).join(', ')
    return `announces ${blocks} until the pods there end; delete them, or cut them off by margayctl node drain ${node} --force`
  }
}

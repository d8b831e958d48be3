// A node that is drained (`drain` in its Node): traffic leaves first, then its blocks, and running pods are cut off only if asked.
//
// Every session says from the start that the node is about to go (RFC 8326; plan does that). Peers that know another way take it, and
// those that know none still use this one. After a while for that, a block that no pod has an address of is withdrawn; one with pods
// stays announced until the last of them ends. Drained `Now`, the others are withdrawn at the same moment, pods or not.

import type { DrainView } from '../api/contract.ts'
import type { OwnBlock } from '../ipam/index.ts'

export type DrainMode = DrainView['mode']

export interface DrainOptions {
  readonly node: string
  /** Milliseconds, from any start. */
  readonly now: () => number
  readonly blocks: () => readonly OwnBlock[]
  /** What is withdrawn has changed. */
  readonly onChange: () => void
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
    const announced = this.#options.blocks().filter(({ cidr }) => !this.#withdrawn.includes(cidr))
    const phase = !this.#told ? 'telling' : announced.length > 0 ? 'waiting' : 'drained'
    return { mode, phase, announced: announced.map(({ cidr }) => cidr), text: this.#text(phase, announced) }
  }

  /** Works out anew what is withdrawn. */
  look(): void {
    const blocks = this.#mode !== undefined && this.#told ? this.#options.blocks() : []
    const withdrawn = blocks.filter(({ used }) => this.#mode === 'Now' || used === 0).map(({ cidr }) => cidr)
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

  #text(phase: DrainView['phase'], announced: readonly OwnBlock[]): string {
    const { node, now } = this.#options
    if (phase === 'drained') return `drained: it announces nothing; margayctl node undrain ${node} brings it back`
    if (phase === 'telling') {
      const seconds = Math.ceil((this.#since + tellFor - now()) / 1000)
      const then = this.#mode === 'Now' ? 'its blocks are withdrawn' : 'blocks without pods are withdrawn'
      return `peers are told to take other ways (GRACEFUL_SHUTDOWN); in ${seconds} s ${then}`
    }
    const blocks = announced.map(({ cidr, used }) => `${cidr} (${used} in use)`).join(', ')
    return `announces ${blocks} until the pods there end; delete them, or cut them off by margayctl node drain ${node} --force`
  }
}

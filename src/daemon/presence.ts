// This node says now and then in the datastore that it is alive. For people only: nothing here or on another node hangs on it, so what
// fails is tried again and changes nothing else.

import type { Presence } from '../datastore/index.ts'
import { type NodeSign, signHolds } from '../model/node-sign.ts'
import type { Log } from './log.ts'

/** Milliseconds between two. */
const every = 5_000
/** Milliseconds between looks at whether one is due: the first one when the datastore has come, or come back. */
const lookEvery = 500

export interface PresencePorts {
  readonly node: string
  readonly about: NodeSign
  readonly datastore: Pick<Presence, 'keepAlive'>
  /** The datastore is that of this node's cluster, and answers. */
  readonly isInSync: () => boolean
  readonly log: Log
}

export class PresenceKeeper {
  readonly #ports: PresencePorts
  #timer: NodeJS.Timeout | undefined
  #isBusy = false
  /** `performance.now()` of the last one; undefined: none since the datastore came. */
  #last: number | undefined
  #problem: string | undefined

  constructor(ports: PresencePorts) {
    this.#ports = ports
  }

  /** Why others cannot see that this node is alive, though the datastore answers. */
  get problems(): readonly string[] {
    return this.#problem !== undefined && this.#ports.isInSync() ? [this.#problem] : []
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), lookEvery).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    if (!this.#ports.isInSync()) this.#last = undefined
    else if (this.#last === undefined || performance.now() - this.#last >= every) void this.sign()
  }

  /** Never fails. One at a time: a datastore that is slow is not asked twice. */
  async sign(): Promise<void> {
    const { node, about, datastore, isInSync, log } = this.#ports
    if (this.#isBusy || !isInSync()) return
    this.#isBusy = true
    this.#last = performance.now()
    try {
      await datastore.keepAlive(node, about, signHolds)
      this.#problem = undefined
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (this.#problem === undefined) log.warn('the others are not told that this node is alive', { reason })
      this.#problem = `node "${node}": the others cannot see that it is alive; nothing else hangs on that: ${reason}`
    } finally {
      this.#isBusy = false
    }
  }
}

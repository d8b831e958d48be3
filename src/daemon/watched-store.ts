// The node's own store, watched: that it takes no writes, as on a full disk, is told for as long as it lasts. Nobody may write meanwhile
// (a runtime that is told so asks for no pod), so it is tried again.

import { dirname } from 'node:path'
import type { NodeStore, NodeStoreChange } from '../datastore/node-store.ts'

/** A change is not in the node's own store. */
export class StoreFault extends Error {}

export class WatchedStore implements NodeStore {
  readonly #store: NodeStore
  readonly #file: string
  readonly #tryAgainAfter: number
  #fault: string | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  /** `tryAgainAfter`: milliseconds. */
  constructor(store: NodeStore, file: string, tryAgainAfter = 5_000) {
    this.#store = store
    this.#file = file
    this.#tryAgainAfter = tryAgainAfter
  }

  /** A sentence with the next step; undefined: it takes writes, as far as is known. */
  get problem(): string | undefined {
    return (
      this.#fault &&
      `the node's own store ${this.#file} takes no writes (${this.#fault}), so that no pod is attached or detached; running pods keep their network. Look at its disk: df -h ${dirname(this.#file)}`
    )
  }

  all(table: string): ReturnType<NodeStore['all']> {
    return this.#store.all(table)
  }

  async commit(changes: readonly NodeStoreChange[]): Promise<void> {
    try {
      await this.#store.commit(changes)
    } catch (error) {
      this.#fault = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '')
      this.#tryAgain()
      throw new StoreFault(this.#fault, { cause: error })
    }
    this.#fault = undefined
  }

  close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    return this.#store.close()
  }

  #tryAgain(): void {
    if (this.#isClosed) return
    clearTimeout(this.#timer)
    const now = { do: 'put', table: 'daemon', key: 'tried', value: new Date().toISOString() } as const
    this.#timer = setTimeout(() => void this.commit([now]).catch(() => undefined), this.#tryAgainAfter).unref()
  }
}

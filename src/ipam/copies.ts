// Copies of a node's addresses in the datastore: for reading, and for a node that lost its own store.
//
// Best effort: nobody waits for them, a burst of changes is written once, and what could not be written is tried again.

import type { Datastore } from '../datastore/contract.ts'
import { type AddressCopy, copyKind } from './records.ts'

const writeAfter = 250
const retryAfter = 5_000

export class Copies {
  readonly #datastore: Datastore
  /** Name of the block -> its copy as it should be; undefined: none. */
  readonly #pending = new Map<string, () => AddressCopy | undefined>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(datastore: Datastore) {
    this.#datastore = datastore
  }

  /** The addresses of a block have changed; `now` tells the copy when it is written. */
  changed(name: string, now: () => AddressCopy | undefined): void {
    this.#pending.set(name, now)
    this.#schedule(writeAfter)
  }

  /** Writes what is pending; resolves also if that failed. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#writePending())
    return this.#writing
  }

  #schedule(delay: number): void {
    this.#timer ??= setTimeout(() => void this.flush(), delay).unref()
  }

  async #writePending(): Promise<void> {
    const pending = [...this.#pending]
    this.#pending.clear()
    for (const [name, now] of pending) {
      try {
        await this.#write(name, now())
      } catch {
        if (!this.#pending.has(name)) this.#pending.set(name, now)
        this.#schedule(retryAfter)
      }
    }
  }

  async #write(name: string, copy: AddressCopy | undefined): Promise<void> {
    const found = await this.#datastore.get(copyKind, name)
    if (copy && found) await this.#datastore.update(copyKind, name, copy, found.version)
    else if (copy) await this.#datastore.create(copyKind, name, copy)
    else if (found) await this.#datastore.delete(copyKind, name, found.version)
  }
}

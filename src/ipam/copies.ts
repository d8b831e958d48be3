// Copies of a node's addresses in the datastore: for reading, and for a node that lost its own store.
//
// Best effort: nobody waits for them, a burst of changes is written once, and what could not be written is tried again. Entries that nobody
// can read stay in a copy as they are, until an operator has it written anew.

import { isDeepStrictEqual } from 'node:util'
import { type Datastore, type Entry, StoreError } from '../datastore/contract.ts'
import { type AddressCopy, copyKind, nodeOfCopy } from './records.ts'
import { type StrangeEntry, strangeEntries } from './strange.ts'
import type { IpamOptions, Timer } from './types.ts'

const writeAfter = 250
const retryAfter = 5_000

export class Copies {
  readonly #datastore: Datastore
  readonly #node: string
  readonly #timer: Timer
  /** By the name of the block. */
  readonly #pending = new Map<string, Pending>()
  /** As they were seen last. */
  readonly #strange = new Map<string, readonly StrangeEntry[]>()
  #cancel: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor({ datastore, node, timer = realTimer }: Pick<IpamOptions, 'datastore' | 'node' | 'timer'>) {
    this.#datastore = datastore
    this.#node = node
    this.#timer = timer
  }

  /** The addresses of a block have changed; `now` tells the copy when it is written. `isAnew`: without what nobody can read. */
  changed(name: string, now: Pending['now'], isAnew = false): void {
    this.#pending.set(name, { now, isAnew: isAnew || this.#pending.get(name)?.isAnew === true })
    this.#schedule(writeAfter)
  }

  /** Whether a copy as it is stored says what it should, beside what nobody can read. */
  agrees(name: string, copy: AddressCopy | undefined, value: unknown): boolean {
    return isSaid(this.#kept(name, copy, value), value)
  }

  /** Entries that nobody can read, by the name of the copy. */
  get strange(): ReadonlyMap<string, readonly StrangeEntry[]> {
    return this.#strange
  }

  /** Writes what is pending; resolves also if that failed. */
  flush(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    this.#writing = this.#writing.then(() => this.#writePending())
    return this.#writing
  }

  /** Deletes a copy as it was read. Nothing happens if it has changed meanwhile. */
  async delete({ name, version }: Entry): Promise<void> {
    try {
      await this.#datastore.delete(copyKind, name, version)
    } catch (error) {
      if (!(error instanceof StoreError) || !['conflict', 'not-found'].includes(error.code)) throw error
    }
  }

  #schedule(delay: number): void {
    this.#cancel ??= this.#timer(delay, () => void this.flush())
  }

  async #writePending(): Promise<void> {
    const pending = [...this.#pending]
    this.#pending.clear()
    for (const [name, { now, isAnew }] of pending) {
      try {
        await this.#write(name, now(), isAnew)
      } catch {
        if (!this.#pending.has(name)) this.#pending.set(name, { now, isAnew })
        this.#schedule(retryAfter)
      }
    }
  }

  async #write(name: string, plain: AddressCopy | undefined, isAnew: boolean): Promise<void> {
    const found = await this.#datastore.get(copyKind, name)
    const copy = isAnew ? plain : this.#kept(name, plain, found?.value)
    if (copy && found && isSaid(copy, found.value)) return
    if (copy && found) await this.#datastore.update(copyKind, name, copy, found.version)
    else if (copy) await this.#datastore.create(copyKind, name, copy)
    // By now the block, and so the copy, may be another node's.
    else if (found && nodeOfCopy(found.value) === this.#node)
      await this.#datastore.delete(copyKind, name, found.version)
    if (isAnew || !copy) this.#strange.delete(name)
  }

  /** With the entries that are stored and that nobody can read, but for addresses of which this node knows more. */
  #kept(name: string, copy: AddressCopy | undefined, value: unknown): AddressCopy | undefined {
    if (!copy) return undefined
    const strange = strangeEntries(value, this.#node).filter(({ address }) => !Object.hasOwn(copy.addresses, address))
    if (strange.length === 0) this.#strange.delete(name)
    else this.#strange.set(name, strange)
    const entries = strange.map(({ address, value: entry }) => [address, entry] as const)
    return { ...copy, addresses: { ...Object.fromEntries(entries), ...copy.addresses } as AddressCopy['addresses'] }
  }
}

interface Pending {
  /** The copy as it should be; undefined: none. */
  readonly now: () => AddressCopy | undefined
  readonly isAnew: boolean
}

const realTimer: Timer = (ms, look) => {
  const timer = setTimeout(look, ms).unref()
  return () => clearTimeout(timer)
}

/** Whether a record has what the copy has. None is as good as one without addresses. */
export function isSaid(copy: AddressCopy | undefined, value: unknown): boolean {
  if (value === undefined) return Object.keys(copy?.addresses ?? {}).length === 0
  // As a datastore keeps it: without what is undefined.
  return isDeepStrictEqual(JSON.parse(JSON.stringify(copy)), value)
}

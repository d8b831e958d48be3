// This node says now and then in the datastore that it is alive. It is for people: nothing on another node hangs on it, so what fails is
// tried again and changes nothing else. But where another machine is alive under this node's name, with a store of its own, both would
// give the same addresses: who comes later gives none.

import type { Presence } from '../datastore/index.ts'
import { type NodeSign, signHolds } from '../model/node-sign.ts'
import type { Log } from './log.ts'

/** Milliseconds between two. */
const every = 5_000
/** Milliseconds between looks at whether one is due: the first one when the datastore has come, or come back. */
const lookEvery = 500
/** Milliseconds that who has a new store waits for its first look. */
const patience = 5_000

export interface PresencePorts {
  readonly node: string
  readonly about: NodeSign
  readonly datastore: Pick<Presence, 'keepAlive' | 'sign'>
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
  #store: { readonly id: string; readonly isNew: boolean } | undefined
  #hasLooked = false
  /** Another machine that is alive under this name. */
  #twin: string | undefined

  constructor(ports: PresencePorts) {
    this.#ports = ports
  }

  /** Why others cannot see that this node is alive, though the datastore answers. */
  get problems(): readonly string[] {
    const unseen = this.#problem !== undefined && this.#ports.isInSync() ? [this.#problem] : []
    return [...unseen, ...(this.#twin === undefined ? [] : [this.#twin])]
  }

  /** Resolves when it is known whether another machine has this name, where that matters, and after some seconds all the same. */
  async looked(): Promise<void> {
    const until = performance.now() + patience
    while (this.#store?.isNew && !this.#hasLooked && performance.now() < until)
      await new Promise(resolve => setTimeout(resolve, 50))
  }

  /** Why this node gives no address: another machine has its name, or, to one with a new store, that is not known yet. */
  get obstacle(): string | undefined {
    if (this.#twin !== undefined || this.#hasLooked || !this.#store?.isNew) return this.#twin
    return `node "${this.#ports.node}": it has a new store, and has not seen yet whether another machine has its name: try again`
  }

  /** `id`: of the node's own store; `isNew`: it was made just now, so another one may have given addresses under this name. */
  start(id: string, isNew: boolean): void {
    this.#store = { id, isNew }
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
      const found = await datastore.sign(node)
      this.#meet(found?.isAlive ? (found.about as Partial<NodeSign>) : undefined)
      this.#hasLooked = true
      if (this.#twin === undefined) await datastore.keepAlive(node, { ...about, store: this.#store?.id }, signHolds)
      this.#problem = undefined
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (this.#problem === undefined) log.warn('the others are not told that this node is alive', { reason })
      this.#problem = `node "${node}": the others cannot see that it is alive; nothing else hangs on that: ${reason}`
    } finally {
      this.#isBusy = false
    }
  }

  /** What stands in the datastore under this name: of this node's own store, of another machine's, or nothing. */
  #meet(about: Partial<NodeSign> | undefined): void {
    const { node, log } = this.#ports
    const isOther = about?.store !== undefined && about.store !== this.#store?.id
    if (!isOther) return void (this.#twin = undefined)
    const text = `node "${node}": another margayd is alive under this name (on ${about.host ?? 'a machine'}, since ${about.since ?? 'some time'}), so this one gives no addresses; give one of the two another node.name. If it was this machine, whose store is new, that ends in ${signHolds} s`
    if (this.#twin === undefined) log.warn(text)
    this.#twin = text
  }
}

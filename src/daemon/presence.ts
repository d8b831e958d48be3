// This node says now and then in the datastore that it is alive. It is for people: nothing on another node hangs on it, so what fails is
// tried again and changes nothing else. But where another machine is alive under this node's name, both would give the same addresses. One
// that has a store of its own is known by that: who comes later gives none. A cloned machine has the same store: it is known by its boot, and
// gives none until it has looked; and who finds its own sign written over by another process has a twin, too.

import { randomUUID } from 'node:crypto'
import type { Presence, Sign } from '../datastore/index.ts'
import { type NodeSign, signHolds } from '../model/node-sign.ts'
import type { Log } from './log.ts'

/** Milliseconds between two. */
const every = 5_000
/** Milliseconds between looks at whether one is due: the first one when the datastore has come, or come back. */
const lookEvery = 500
/** Milliseconds after its start in which who may be a twin waits for its first look. */
const patience = 5_000

export interface PresencePorts {
  readonly node: string
  readonly about: NodeSign
  readonly datastore: Pick<Presence, 'keepAlive' | 'sign'>
  /** The datastore is that of this node's cluster, and answers. */
  readonly isInSync: () => boolean
  readonly log: Log
}

/** Of this machine. */
interface Self {
  /** Id of the node's own store. */
  readonly store: string
  /** It was made just now, so another one may have given addresses under this name. */
  readonly isNew: boolean
  /** Linux's boot id; and that this daemon is the first since then. */
  readonly boot: string
  readonly isFirstOfBoot: boolean
}

export class PresenceKeeper {
  readonly #ports: PresencePorts
  #timer: NodeJS.Timeout | undefined
  #isBusy = false
  /** `performance.now()` of the last one; undefined: none since the datastore came. */
  #last: number | undefined
  #problem: string | undefined
  readonly #run = randomUUID()
  #self: Self | undefined
  #startedAt = 0
  #hasLooked = false
  #hasSigned = false
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

  /** Resolves when it is known whether another machine has this name, where that matters, and some seconds after the start all the same. */
  async looked(): Promise<void> {
    const until = this.#startedAt + patience
    while (this.#mayBeTwin && !this.#hasLooked && performance.now() < until)
      await new Promise(resolve => setTimeout(resolve, 50))
  }

  /** Why this node gives no address: another machine has its name, or, to one with a new store, that is not known yet. */
  get obstacle(): string | undefined {
    if (this.#twin !== undefined || this.#hasLooked || !this.#self?.isNew) return this.#twin
    return `node "${this.#ports.node}": it has a new store, and has not seen yet whether another machine has its name: try again`
  }

  start(self: Self): void {
    this.#self = self
    this.#startedAt = performance.now()
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
      this.#meet(found?.isAlive ? found : undefined)
      this.#hasLooked = true
      if (this.#twin === undefined) {
        const { store, boot } = this.#self ?? {}
        await datastore.keepAlive(node, { ...about, store, boot, run: this.#run }, signHolds)
        this.#hasSigned = true
      }
      this.#problem = undefined
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (this.#problem === undefined) log.warn('the others are not told that this node is alive', { reason })
      this.#problem = `node "${node}": the others cannot see that it is alive; nothing else hangs on that: ${reason}`
    } finally {
      this.#isBusy = false
    }
  }

  /** A machine that begins: its store may be new, or a copy of another's. */
  get #mayBeTwin(): boolean {
    return this.#self?.isNew === true || this.#self?.isFirstOfBoot === true
  }

  /** What stands in the datastore under this name: a sign of this machine, of another one, or nothing. */
  #meet(found: Sign | undefined): void {
    const { node, log } = this.#ports
    const about = found?.about as Partial<NodeSign> | undefined
    const kind = about && this.#twinOf(about)
    if (!about || !kind) return void (this.#twin = undefined)
    const [what, next, end] = words[kind]
    const ends =
      found?.removal === undefined
        ? `that ends in ${signHolds} s`
        : `that does not end by itself, for the sign in the datastore has no lease, so no margayd wrote it. If none but this one has this name: ${found.removal}`
    const text = `node "${node}": another margayd is alive under this name${what} (on ${about.host ?? 'a machine'}, since ${about.since ?? 'some time'}), so this one gives no addresses; ${next}. If it was this machine, ${end}, ${ends}`
    if (this.#twin === undefined) log.warn(text)
    this.#twin = text
  }

  #twinOf({ store, run, boot }: Partial<NodeSign>): keyof typeof words | undefined {
    if (store === undefined || run === this.#run) return undefined
    if (store !== this.#self?.store) return 'other'
    // The sign of this machine's margayd of before stands until it is written over, once.
    const isOfOtherBoot = boot !== undefined && boot !== this.#self.boot
    return isOfOtherBoot || (run !== undefined && this.#hasSigned) ? 'clone' : undefined
  }
}

/** Whose store it has, the next step, and what it may have been. */
const words = {
  other: ['', 'give one of the two another node.name', 'whose store is new'],
  clone: [
    " with a copy of this node's store, as a cloned machine has",
    'give the clone another node.name and remove its store (node.db in its stateDir)',
    'which was started anew',
  ],
} as const

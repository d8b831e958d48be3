// Addresses given and taken back for many pods at once: what comes while the disk is busy is one commit.
//
// One request is looked at after another, as if each were a change of its own, and sees what those before it have chosen. Nothing is
// answered, and memory has no row, before the rows are on the disk. A request that may ask the datastore, or whose owner is in this
// commit already, waits until what came before it is there; after one that fails, the rest begins anew.

import type { Chooser } from './choose.ts'
import type { LocalRecords } from './local.ts'
import type { OwnBlocks } from './own-blocks.ts'
import { type AddressRow, type Owner, ownerKey } from './records.ts'
import type { Assigned, AssignedAddress, AssignRequest } from './types.ts'

export interface TogetherOptions {
  readonly local: LocalRecords
  readonly blocks: OwnBlocks
  readonly chooser: Chooser
  /** Does work while no other change is under way. What fails in it makes the node's store be read anew. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>
  /** Fails while no address may be given. */
  readonly beReady: () => Promise<void>
  /** ISO 8601. */
  readonly now: () => string
  /** Addresses of these blocks have changed, or such that lie in none. */
  readonly changed: (cidrs: readonly string[]) => void
  /** These have got addresses. */
  readonly given: (requests: readonly AssignRequest[]) => void
}

type Asked = { readonly owner: Owner; readonly reject: (error: unknown) => void } & (
  | { readonly give: AssignRequest; readonly resolve: (assigned: Assigned) => void }
  | { readonly give?: undefined; readonly resolve: (released: readonly string[]) => void }
)

/** What one commit holds. */
interface Commit {
  readonly rows: Map<string, AddressRow>
  readonly released: string[]
  readonly owners: Set<string>
  readonly blocks: Set<string>
  readonly asked: Asked[]
  readonly answers: (() => void)[]
}

export class Together {
  readonly #options: TogetherOptions
  #waiting: Asked[] = []
  #isCalled = false

  constructor(options: TogetherOptions) {
    this.#options = options
  }

  /** As `Ipam.assign`, but that it does not wait for other nodes. */
  give(request: AssignRequest): Promise<Assigned> {
    return new Promise((resolve, reject) => this.#ask({ owner: request, give: request, resolve, reject }))
  }

  /** As `Ipam.release`. */
  free(owner: Owner): Promise<readonly string[]> {
    return new Promise((resolve, reject) => this.#ask({ owner, resolve, reject }))
  }

  #ask(asked: Asked): void {
    this.#waiting.push(asked)
    this.#call()
  }

  #call(): void {
    if (this.#isCalled) return
    this.#isCalled = true
    let began = false
    const serve = (): Promise<void> => {
      began = true
      return this.#serve()
    }
    this.#options.alone(serve).catch((error: unknown) => {
      if (began) return
      // What kept the turn from beginning, as a store that cannot be read, keeps all from what they ask for.
      this.#isCalled = false
      for (const { reject } of this.#waiting.splice(0)) reject(error)
    })
  }

  async #serve(): Promise<void> {
    this.#isCalled = false
    const all = this.#waiting.splice(0)
    let next = 0
    let commit = nothing()
    try {
      while (next < all.length) {
        const asked = all[next]
        if (!this.#fits(asked, commit)) {
          const ready = commit
          commit = nothing()
          await this.#write(ready)
        }
        next++
        await this.#take(asked, commit)
      }
    } catch (error) {
      this.#waiting.unshift(...all.slice(next))
      if (this.#waiting.length > 0) this.#call()
      await this.#write(commit)
      throw error
    }
    await this.#write(commit)
  }

  /** Whether it can be answered from what memory and this commit have. */
  #fits({ owner, give }: Asked, { owners, released }: Commit): boolean {
    if (owners.has(ownerKey(owner))) return false
    if (!give) return true
    if (released.length > 0 && (give.requested?.length ?? 0) > 0) return false
    const { local, chooser } = this.#options
    return local.complete && this.#missing(give).families.every(family => chooser.isAtHand(family, give))
  }

  #missing(request: AssignRequest) {
    const had = this.#options.local.addressesOf(request).map(address => this.#describe(address))
    return { had, families: request.families.filter(family => !had.some(address => address.family === family)) }
  }

  /** Rejects it, and throws, if it cannot be had. */
  async #take(asked: Asked, commit: Commit): Promise<void> {
    try {
      if (asked.give) await this.#choose(asked.give, commit, asked.resolve)
      else this.#release(asked.owner, commit, asked.resolve)
      commit.asked.push(asked)
    } catch (error) {
      asked.reject(error)
      throw error
    }
  }

  async #choose(request: AssignRequest, commit: Commit, resolve: (assigned: Assigned) => void): Promise<void> {
    const { local, blocks, chooser, beReady, now } = this.#options
    // What a store that is not whole knows of the owner is sound, and needs no datastore; what it does not know may be in the copies.
    if (!local.complete && this.#missing(request).families.length > 0) await beReady()
    const { had, families } = this.#missing(request)
    if (families.length === 0) return void commit.answers.push(() => resolve({ addresses: had, repeated: true }))
    const chosen: AssignedAddress[] = []
    for (const family of families) chosen.push(await chooser.choose(family, request))
    const { network, containerId, ifName, label } = request
    const row = { network, containerId, ifName, since: now(), ...(label !== undefined && { label }) }
    for (const { address, block, pool } of chosen) {
      blocks.of(address)?.take(address)
      commit.rows.set(address, { ...row, pool })
      commit.blocks.add(block)
    }
    commit.owners.add(ownerKey(request))
    commit.answers.push(() => resolve({ addresses: [...had, ...chosen], repeated: false }))
  }

  #release(owner: Owner, commit: Commit, resolve: (released: readonly string[]) => void): void {
    const addresses = this.#options.local.addressesOf(owner)
    commit.released.push(...addresses)
    commit.owners.add(ownerKey(owner))
    commit.answers.push(() => resolve(addresses))
  }

  async #write({ rows, released, blocks, asked, answers }: Commit): Promise<void> {
    const { local, blocks: own, changed, given, now } = this.#options
    const at = now()
    try {
      if (rows.size + released.length > 0) await local.change(rows, released, at)
    } catch (error) {
      for (const { reject } of asked) reject(error)
      throw error
    }
    for (const address of released) {
      const block = own.of(address)
      block?.free(address, at)
      if (block) blocks.add(block.cidr)
    }
    if (rows.size + released.length > 0) changed([...blocks])
    for (const answer of answers) answer()
    if (rows.size > 0) given(asked.flatMap(({ give }) => give ?? []))
  }

  #describe(address: string): AssignedAddress {
    const { local, blocks } = this.#options
    const block = blocks.of(address)
    const pool = local.addresses.get(address)?.pool || (block?.pool ?? '')
    return { family: address.includes(':') ? 6 : 4, address, block: block?.cidr ?? '', pool }
  }
}

function nothing(): Commit {
  return { rows: new Map(), released: [], owners: new Set(), blocks: new Set(), asked: [], answers: [] }
}

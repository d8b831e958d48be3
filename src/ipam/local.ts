// IPAM's tables in the node's own store, and what they say in memory. Every change is on the disk before memory has it.

import { compareAddresses, parseAddress } from '../../inet/index.ts'
import type { NodeStore, NodeStoreChange } from '../datastore/node-store.ts'
import type { ClaimedBlock } from './claims.ts'
import { nobodysRow, readRow } from './address-row.ts'
import { IpamError } from './errors.ts'
import { type Held, readHeld } from './others.ts'
import { type AddressRow, type Owner, ownerKey, readBlock, tables } from './records.ts'

/** Key in the table `about` of a store that is older than what is in use. */
const isBehind = 'behind'

export class LocalRecords {
  readonly #store: NodeStore
  readonly #node: string
  #addresses = new Map<string, AddressRow>()
  /** `ownerKey` -> its addresses. */
  readonly #owned = new Map<string, Set<string>>()
  /** Address -> when it was released, oldest first. */
  #freed = new Map<string, string>()
  #blocks = new Map<string, ClaimedBlock>()
  #held: Held = new Map()
  #complete = false

  constructor(store: NodeStore, node: string) {
    this.#store = store
    this.#node = node
  }

  /**
   * Reads everything anew. Fails if the store cannot be read, or belongs to another node. A release after `now` (ISO 8601; the
   * clock was wrong) becomes one of now, so that nothing rests until then.
   */
  async read(now: string): Promise<void> {
    const about = await this.#all(tables.about)
    const owner = about.find(row => row.key === 'node')?.value
    if (typeof owner === 'string' && owner !== this.#node)
      throw new IpamError(
        'wrong-store',
        `node store of node "${owner}": this node is called "${this.#node}", and would give out that node's addresses. Start with the old name, or with another store.`,
      )
    const rows = await this.#all(tables.addresses)
    const stored = (await this.#all(tables.freed)).map(row => [row.key, String(row.value)] as const)
    const future = stored.filter(([, at]) => at > now)
    await this.#commit(future.map(([key]) => ({ do: 'put', table: tables.freed, key, value: now })))
    const freed = stored.map(([key, at]) => [key, at > now ? now : at] as const)
    const blocks = (await this.#all(tables.blocks)).flatMap(row => readBlock(row.value) ?? [])
    const held = (await this.#all(tables.held)).map(row => [row.key, readHeld(row.value)] as const)
    this.#addresses = new Map(rows.map(row => [row.key, readRow(row.value) ?? nobodysRow]))
    this.#owned.clear()
    for (const [address, row] of this.#addresses) this.#own(address, row)
    this.#freed = new Map(freed.toSorted(([, a], [, b]) => (a < b ? -1 : a > b ? 1 : 0)))
    this.#blocks = new Map(blocks.map(block => [block.cidr, block]))
    this.#held = new Map(held.flatMap(([address, by]) => (by ? [[address, by] as const] : [])))
    this.#complete = typeof owner === 'string' && about.every(row => row.key !== isBehind)
  }

  /** False for a store that is new, was lost, or is older than what is in use: addresses may be in use that it does not know. */
  get complete(): boolean {
    return this.#complete
  }

  get addresses(): ReadonlyMap<string, AddressRow> {
    return this.#addresses
  }

  /** When each was released, ISO 8601; longest free first. */
  get freed(): ReadonlyMap<string, string> {
    return this.#freed
  }

  get blocks(): Iterable<ClaimedBlock> {
    return this.#blocks.values()
  }

  /** Addresses of own blocks that pods of other nodes have. */
  get held(): Held {
    return this.#held
  }

  addressesOf(owner: Owner): string[] {
    return [...(this.#owned.get(ownerKey(owner)) ?? [])].toSorted(byAddress)
  }

  /** The store was found to be older than what is in use: it is not complete, until it is marked so again. */
  async distrust(): Promise<void> {
    await this.#commit([{ do: 'put', table: tables.about, key: isBehind, value: true }])
    this.#complete = false
  }

  /** From now on the store knows every address in use, if it is marked complete. */
  async put(rows: ReadonlyMap<string, AddressRow>, markComplete = false): Promise<void> {
    const mark: readonly NodeStoreChange[] = [
      { do: 'put', table: tables.about, key: 'node', value: this.#node },
      { do: 'delete', table: tables.about, key: isBehind },
    ]
    await this.#commit([...putRows(rows), ...(markComplete ? mark : [])])
    this.#learn(rows)
    this.#complete ||= markComplete
  }

  /** Addresses that come into use, and some that are released at `at` (ISO 8601), on the disk at once. */
  async change(rows: ReadonlyMap<string, AddressRow>, released: readonly string[], at: string): Promise<void> {
    await this.#commit([
      ...putRows(rows),
      ...released.flatMap((key): NodeStoreChange[] => [
        { do: 'delete', table: tables.addresses, key },
        { do: 'put', table: tables.freed, key, value: at },
      ]),
    ])
    this.#learn(rows)
    for (const address of released) {
      this.#disown(address)
      this.#addresses.delete(address)
      this.#freed.delete(address)
      this.#freed.set(address, at)
    }
  }

  #learn(rows: ReadonlyMap<string, AddressRow>): void {
    for (const [address, row] of rows) {
      this.#disown(address)
      this.#addresses.set(address, row)
      this.#own(address, row)
      this.#freed.delete(address)
    }
  }

  #own(address: string, row: AddressRow): void {
    const key = ownerKey(row)
    const owned = this.#owned.get(key)
    if (owned) owned.add(address)
    else this.#owned.set(key, new Set([address]))
  }

  #disown(address: string): void {
    const row = this.#addresses.get(address)
    const key = row && ownerKey(row)
    const owned = key === undefined ? undefined : this.#owned.get(key)
    owned?.delete(address)
    if (key !== undefined && owned?.size === 0) this.#owned.delete(key)
  }

  /** `noted`: addresses of it that pods of other nodes have; one that a pod of this node has stays that one's. */
  async putBlock(block: ClaimedBlock, noted: Held = new Map()): Promise<void> {
    const held = new Map([...noted].filter(([address]) => !this.#addresses.has(address)))
    await this.#commit([putBlock(block), ...putHeld(held)])
    this.#blocks.set(block.cidr, block)
    this.#held = new Map([...this.#held, ...held])
  }

  /** `held`: all of them from now on. Those that are no longer held count as released at `at` (ISO 8601). */
  async hold(held: Held, at: string): Promise<void> {
    const gone = [...this.#held.keys()].filter(address => !held.has(address))
    await this.#commit([
      ...putHeld(held),
      ...gone.flatMap((key): NodeStoreChange[] => [
        { do: 'delete', table: tables.held, key },
        { do: 'put', table: tables.freed, key, value: at },
      ]),
    ])
    this.#held = held
    for (const address of gone) {
      this.#freed.delete(address)
      this.#freed.set(address, at)
    }
  }

  /**
   * Forgets a block, and has `parts` of it instead, at once. What they do not hold has no address in use; `gone`: the addresses
   * that the node has no more.
   */
  async removeBlock(
    cidr: string,
    gone: (address: string) => boolean,
    parts: readonly ClaimedBlock[] = [],
  ): Promise<void> {
    const freed = [...this.#freed.keys()].filter(gone)
    const held = [...this.#held.keys()].filter(gone)
    await this.#commit([
      { do: 'delete', table: tables.blocks, key: cidr },
      ...held.map((key): NodeStoreChange => ({ do: 'delete', table: tables.held, key })),
      ...freed.map((key): NodeStoreChange => ({ do: 'delete', table: tables.freed, key })),
      ...parts.map(putBlock),
    ])
    this.#blocks.delete(cidr)
    for (const address of freed) this.#freed.delete(address)
    if (held.length > 0) this.#held = new Map([...this.#held].filter(([address]) => !gone(address)))
    for (const part of parts) this.#blocks.set(part.cidr, part)
  }

  async #commit(changes: readonly NodeStoreChange[]): Promise<void> {
    if (changes.length > 0) await ownFailure(this.#store.commit(changes))
  }

  #all(table: string) {
    return ownFailure(this.#store.all(table))
  }
}

function putRows(rows: ReadonlyMap<string, AddressRow>): NodeStoreChange[] {
  return [...rows].flatMap(([key, value]): NodeStoreChange[] => [
    { do: 'put', table: tables.addresses, key, value },
    { do: 'delete', table: tables.freed, key },
  ])
}

function putHeld(held: Held): NodeStoreChange[] {
  return [...held].map(([key, value]): NodeStoreChange => ({ do: 'put', table: tables.held, key, value }))
}

function putBlock(block: ClaimedBlock): NodeStoreChange {
  const { prefix: _, ...value } = block
  return { do: 'put', table: tables.blocks, key: value.cidr, value }
}

/** Tells a failure of this store from one of the datastore. */
async function ownFailure<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    throw new IpamError('store-failed', error instanceof Error ? error.message : String(error))
  }
}

function byAddress(a: string, b: string): number {
  const [left, right] = [parseAddress(a), parseAddress(b)]
  return left && right ? compareAddresses(left, right) : 0
}

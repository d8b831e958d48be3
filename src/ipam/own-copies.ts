// What the copies of this node say: its addresses block by block, and those outside its blocks.

import { isDeepStrictEqual } from 'node:util'
import { isMap } from './address-row.ts'
import { allEntries } from './claims.ts'
import { Copies } from './copies.ts'
import type { LocalRecords } from './local.ts'
import { type CopiesOfNode, copiesOfNode, dispensable } from './orphans.ts'
import { outsideCopy, outsideName } from './outside.ts'
import type { OwnBlocks } from './own-blocks.ts'
import { holds } from './pools.ts'
import { type AddressCopy, type AddressRow, blockName, copyKind } from './records.ts'
import type { StrangeCopy } from './strange.ts'
import type { Prefix } from '../../inet/index.ts'
import type { Entry } from '../datastore/contract.ts'
import type { IpamOptions } from './types.ts'

/** A copy that differs from the node's own store. */
export interface StaleCopy {
  readonly name: string
  /** Of the block; absent: of the addresses outside the blocks. */
  readonly cidr?: string
  /** The addresses of which it says something else; none: it is of another node or block. */
  readonly differing: readonly string[]
  /** Why nobody can read it, and what to do: it is not written over. */
  readonly unreadable?: string
}

export class OwnCopies {
  readonly #options: IpamOptions
  readonly #local: LocalRecords
  readonly #blocks: OwnBlocks
  readonly #copies: Copies
  /** The addresses outside the blocks, as their copy has them or is about to. */
  #outside = ''

  constructor(options: IpamOptions, local: LocalRecords, blocks: OwnBlocks) {
    this.#options = options
    this.#local = local
    this.#blocks = blocks
    this.#copies = new Copies(options)
  }

  /** Addresses of these blocks have changed. */
  changed(cidrs: readonly string[]): void {
    for (const cidr of new Set(cidrs)) {
      const block = this.#blocks.get(cidr)
      if (!block) continue
      this.#copies.changed(blockName(block.prefix), () => this.#copyOf(cidr))
    }
  }

  /** A block is not this node's any more. */
  gone(block: Prefix): void {
    this.#copies.changed(blockName(block), () => undefined)
  }

  /** Which blocks are the node's, or which addresses lie in none of them, may have changed. */
  lookOutside(): void {
    const rows = this.#rowsOutside()
    const outside = rows.size > 0 ? JSON.stringify([...rows]) : ''
    if (outside === this.#outside) return
    this.#outside = outside
    this.#writeOutside()
  }

  /** Whether addresses lie outside the blocks, as far as it was looked. */
  get hasOutside(): boolean {
    return this.#outside !== ''
  }

  /** Copies that the node keeps no more. What a store that is not whole needs no more is not known. Fails with a StoreError. */
  async orphans(): Promise<readonly Entry[]> {
    if (!this.#local.complete) return []
    await this.flush() // one of them may be about to be deleted
    return (await this.#read()).orphans
  }

  /** Writes what is lacking in the copies, then deletes the orphans; answers those. Fails with a StoreError. */
  async sweep(): Promise<readonly Entry[]> {
    if (!this.#local.complete) return []
    let found = await this.#read()
    if (found.orphans.length > 0 && found.lacking.size > 0) {
      this.changed([...found.lacking].flatMap(address => this.#blocks.of(address)?.cidr ?? []))
      if ([...found.lacking].some(address => !this.#blocks.of(address))) this.#writeOutside()
      await this.flush()
      found = await this.#read()
    }
    const orphans = dispensable(found, this.#options.node)
    for (const orphan of orphans) await this.#copies.delete(orphan)
    return orphans
  }

  /**
   * Copies that do not say what this node's store does, and that nobody is about to write: somebody else changed or deleted them, or the
   * node was killed before it wrote them. Of a store that is not whole nothing is said. Fails with a StoreError.
   */
  async stale(): Promise<readonly StaleCopy[]> {
    if (!this.#local.complete) return []
    await this.flush()
    const { datastore, node } = this.#options
    const found: StaleCopy[] = []
    const compare = async (stale: Omit<StaleCopy, 'differing'>, copy: AddressCopy | undefined): Promise<void> => {
      const { value, unreadable } = (await datastore.get(copyKind, stale.name)) ?? {}
      if (!this.#copies.agrees(stale.name, copy, value))
        found.push({ ...stale, differing: differing(copy, value), ...(unreadable !== undefined && { unreadable }) })
    }
    for (const { cidr, prefix } of this.#blocks.list())
      await compare({ name: blockName(prefix), cidr }, this.#copyOf(cidr))
    const outside = outsideCopy(node, this.#detailed(this.#rowsOutside()))
    if (outside) await compare({ name: outsideName(node) }, outside)
    return found
  }

  /** Writes those anew, and answers them. Fails with a StoreError, also where they could not be written. */
  async mend(): Promise<readonly StaleCopy[]> {
    const stale = await this.stale()
    if (stale.length === 0) return []
    await this.#options.datastore.tryWrite()
    this.changed(stale.flatMap(({ cidr }) => cidr ?? []))
    if (stale.some(({ cidr }) => cidr === undefined)) this.#writeOutside()
    const left = new Set((await this.stale()).map(({ name }) => name))
    return stale.filter(({ name }) => !left.has(name))
  }

  /** Entries of the copies that nobody can read, as they were seen last. */
  strange(): readonly StrangeCopy[] {
    return [...this.#copies.strange].map(([name, entries]) => ({ name, entries }))
  }

  /** Writes those copies anew without them, and answers their names. The node's store knows what is in use. Fails with a StoreError. */
  async discardStrange(): Promise<readonly string[]> {
    if (!this.#local.complete) return []
    const names = this.strange().map(({ name }) => name)
    if (names.length === 0) return names
    await this.#options.datastore.tryWrite()
    for (const { cidr, prefix } of this.#blocks.list())
      if (names.includes(blockName(prefix))) this.#copies.changed(blockName(prefix), () => this.#copyOf(cidr), true)
    if (names.includes(outsideName(this.#options.node))) this.#writeOutside(true)
    await this.flush()
    return names.filter(name => !this.#copies.strange.has(name))
  }

  flush(): Promise<void> {
    return this.#copies.flush()
  }

  #copyOf(cidr: string): AddressCopy | undefined {
    const block = this.#blocks.get(cidr)
    if (!block) return undefined
    const rows = [...this.#local.addresses].filter(([address]) => holds(block.prefix, address))
    return { node: this.#options.node, cidr, addresses: this.#detailed(rows) }
  }

  async #read(): Promise<CopiesOfNode> {
    const { datastore, node } = this.#options
    const kept = new Set(this.#blocks.list().map(({ prefix }) => blockName(prefix)))
    if (this.#rowsOutside().size > 0) kept.add(outsideName(node))
    const copies = await allEntries(datastore, copyKind)
    return copiesOfNode(copies, node, name => kept.has(name), this.#local.addresses.keys())
  }

  #detailed(rows: Iterable<readonly [string, AddressRow]>): Readonly<Record<string, AddressRow>> {
    const detailed = [...rows].map(([address, row]): [string, AddressRow] => {
      const details = this.#options.details?.(row) ?? row.details
      return [address, { ...row, ...(details && { details }) }]
    })
    return Object.fromEntries(detailed)
  }

  #writeOutside(isAnew = false): void {
    const { node } = this.#options
    this.#copies.changed(outsideName(node), () => outsideCopy(node, this.#detailed(this.#rowsOutside())), isAnew)
  }

  #rowsOutside(): ReadonlyMap<string, AddressRow> {
    return new Map([...this.#local.addresses].filter(([address]) => !this.#blocks.of(address)))
  }
}

function differing(copy: AddressCopy | undefined, value: unknown): readonly string[] {
  // As a datastore keeps it: without what is undefined.
  const ours = addressesOf(JSON.parse(JSON.stringify(copy ?? null)))
  const theirs = addressesOf(value)
  const all = new Set([...Object.keys(ours), ...Object.keys(theirs)])
  return [...all].filter(address => !isDeepStrictEqual(ours[address], theirs[address]))
}

/** Of a copy as it is stored, whatever that is. */
function addressesOf(value: unknown): Readonly<Record<string, unknown>> {
  return isMap(value) && isMap(value.addresses) ? value.addresses : {}
}

// A node that finds no block asks another one to leave it a part of a block.
//
// A request is a record; the giver frees a part and takes the record away, whether it had something to give or not. What was freed
// is nobody's: whoever claims it first has it (claims.ts), and the request gives no right to anything. So nothing hangs on who
// reads it when, and one that is lost or answered twice costs a part that lies free.

import { contains, formatPrefix, type IpFamily, type Prefix } from '../../inet/index.ts'
import type { Datastore, Entry } from '../datastore/contract.ts'
import { StoreError } from '../datastore/contract.ts'
import { allEntries, type ClaimedBlock } from './claims.ts'
import { blockName, copyKind, readCopy } from './records.ts'

/** Name of a record: the asking node's and the family. */
export const requestKind = 'BlockRequest'

export interface BlockRequest {
  readonly node: string
  /** The node that is asked. */
  readonly from: string
  readonly family: IpFamily
  /** The ranges to take it from, as CIDRs. */
  readonly ranges: readonly string[]
}

/** Milliseconds after which a node that has not answered is passed over, and after which it may be asked again. */
const silentAfter = 3_000
const againAfter = 60_000

/** One node's requests. */
export class Requests {
  readonly #datastore: Datastore
  readonly #node: string
  /** When others were asked last, milliseconds since 1970. */
  readonly #askedAt = new Map<string, number>()

  constructor({ datastore, node }: { readonly datastore: Datastore; readonly node: string }) {
    this.#datastore = datastore
    this.#node = node
  }

  /**
   * Asks the node that has most room in the ranges, unless one that was asked may still answer. Answers who has been asked;
   * undefined: nobody has anything, or all who have were asked lately. `all`: every block of the cluster; `now`: milliseconds
   * since 1970.
   */
  async ask(ranges: readonly Prefix[], all: readonly ClaimedBlock[], now: number): Promise<string | undefined> {
    const [{ family }] = ranges
    const name = requestName(this.#node, family)
    const pending = this.#askedAt.size > 0 ? await this.#datastore.get(requestKind, name) : undefined
    const asked = readRequest(pending?.value)?.from
    const at = asked === undefined ? undefined : this.#askedAt.get(asked)
    if (at !== undefined && Math.abs(now - at) < silentAfter) return asked
    const withRoom = await this.#withRoom(ranges, all)
    // Who is known to be full is a candidate again when an address of it comes free.
    for (const node of this.#askedAt.keys()) if (!withRoom.includes(node)) this.#askedAt.delete(node)
    const from = withRoom.find(node => Math.abs(now - (this.#askedAt.get(node) ?? -Infinity)) >= againAfter)
    if (from === undefined) return undefined
    const request: BlockRequest = { node: this.#node, from, family, ranges: ranges.map(formatPrefix) }
    await this.#write(name, request)
    this.#askedAt.set(from, now)
    return from
  }

  async #write(name: string, request: BlockRequest): Promise<void> {
    for (;;) {
      try {
        await this.#datastore.create(requestKind, name, request)
        return
      } catch (error) {
        if (!isMoved(error)) throw error
      }
      // One that was not answered, or of an earlier life.
      const found = await this.#datastore.get(requestKind, name)
      if (found) await answered(this.#datastore, found)
    }
  }

  /** Something was found: whoever was asked may be asked again. */
  served(): void {
    this.#askedAt.clear()
  }

  /** Other nodes with free addresses in the ranges, as far as the copies tell; most first. */
  async #withRoom(ranges: readonly Prefix[], all: readonly ClaimedBlock[]): Promise<readonly string[]> {
    const others = all.filter(
      ({ node, prefix }) => node !== '' && node !== this.#node && ranges.some(range => contains(range, prefix)),
    )
    const copies = new Map((await allEntries(this.#datastore, copyKind)).map(({ name, value }) => [name, value]))
    const freeIn = ({ prefix, node }: ClaimedBlock): number =>
      2 ** (prefix.octets.length * 8 - prefix.length) - readCopy(copies.get(blockName(prefix)), node).length
    return [...Map.groupBy(others, ({ node }) => node)]
      .map(([node, blocks]) => ({ node, free: blocks.reduce((sum, block) => sum + freeIn(block), 0) }))
      .filter(({ free }) => free > 0)
      .toSorted((a, b) => b.free - a.free || (a.node < b.node ? -1 : 1))
      .map(({ node }) => node)
  }
}

/** A request, and the entry to take away when it is answered. */
export interface Asked extends BlockRequest {
  readonly entry: Entry
}

/** The requests to a node. Fails with a StoreError. */
export async function requestsTo(datastore: Datastore, node: string): Promise<readonly Asked[]> {
  return requestsIn(await allEntries(datastore, requestKind), node)
}

/** Those of the entries of this kind that ask this node. */
export function requestsIn(entries: readonly Entry[], node: string): readonly Asked[] {
  return entries.flatMap(entry => {
    const request = readRequest(entry.value)
    return request?.from === node ? [{ ...request, entry }] : []
  })
}

/** Takes a request away, unless it is another one by now. */
export async function answered(datastore: Datastore, { name, version }: Entry): Promise<void> {
  try {
    await datastore.delete(requestKind, name, version)
  } catch (error) {
    if (!isMoved(error)) throw error
  }
}

/** Undefined: somebody else wrote it. */
export function readRequest(value: unknown): BlockRequest | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { node, from, family, ranges } = value as Partial<Record<keyof BlockRequest, unknown>>
  if (typeof node !== 'string' || typeof from !== 'string' || !Array.isArray(ranges)) return undefined
  if (family !== 4 && family !== 6) return undefined
  return { node, from, family, ranges: ranges.filter(range => typeof range === 'string') }
}

function requestName(node: string, family: IpFamily): string {
  return `${node}.ipv${family}`
}

function isMoved(error: unknown): boolean {
  return error instanceof StoreError && ['conflict', 'exists', 'not-found'].includes(error.code)
}

// What IPAM keeps, and where.
//
// In the datastore: a Block record says that a block belongs to a node; AddressCopy records repeat the addresses of a block for
// reading and for a node that lost its store. In the node's own store: the addresses themselves. Only the latter decide who has
// an address (design, promise 4).

import { formatPrefix, parsePrefix, type Prefix } from '../../inet/index.ts'
import type { Entry } from '../datastore/contract.ts'
import type { EndpointDetails } from '../model/endpoint.ts'
import { blockSizes, isObjectName } from '../resources/index.ts'
import { isAddress, isMap, readRow } from './address-row.ts'

export const blockKind = 'Block'
/** Nobody watches these. */
export const copyKind = 'AddressCopy'

/** Tables of the node's store. */
export const tables = { addresses: 'addresses', freed: 'freed', blocks: 'blocks', held: 'held', about: 'ipam' } as const

/** Who has an address: one interface of one container. */
export interface Owner {
  /** CNI network name. */
  readonly network: string
  readonly containerId: string
  readonly ifName: string
}

export interface BlockRecord {
  readonly cidr: string
  readonly node: string
  /** Name of the IPPool. */
  readonly pool: string
  /** ISO 8601. */
  readonly claimedAt: string
}

/** An address in use. Key: the address. */
export interface AddressRow extends Owner {
  /** Empty for an address that was found in use and whose pool is not known. */
  readonly pool: string
  /** ISO 8601. */
  readonly since: string
  /** Who it is to people: `namespace/pod`. */
  readonly label?: string
  /** In a copy, and in the store of a node that was rebuilt from copies: what of the attachment nothing else would tell. */
  readonly details?: EndpointDetails
}

export interface AddressCopy {
  readonly node: string
  /** Of the block; empty: of the addresses that lie in none of the node's blocks (outside.ts). */
  readonly cidr: string
  readonly addresses: Readonly<Record<string, AddressRow>>
}

/** Key of an owner within its node. */
export function ownerKey(owner: Owner): string {
  return `${owner.network}/${owner.containerId}/${owner.ifName}`
}

/** Name of a block's record: `10-42-0-64-26`, `fd00-42----122`. */
export function blockName(block: Prefix): string {
  return formatPrefix(block).replaceAll(/[.:/]/g, '-')
}

/** The block whose record has this name; undefined: none has. */
export function prefixOfName(name: string): Prefix | undefined {
  const [, address = '', length] = /^(.+)-(\d+)$/.exec(name) ?? []
  const asWritten = (separator: string) => parsePrefix(`${address.replaceAll('-', separator)}/${length}`)
  return asWritten('.') ?? asWritten(':')
}

/** No pool has blocks larger than these: whoever wrote such a record, a node would announce what is not the pods'. */
export function isBlock(prefix: Prefix): boolean {
  return prefix.length >= blockSizes[prefix.family].min
}

/** Reads a record of the datastore; undefined if it is none (somebody else wrote it). */
export function readBlock(value: unknown): (BlockRecord & { readonly prefix: Prefix }) | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { cidr, node, pool, claimedAt } = value as Partial<Record<keyof BlockRecord, unknown>>
  const prefix = typeof cidr === 'string' ? parsePrefix(cidr) : undefined
  if (!prefix || !isObjectName(node) || typeof pool !== 'string') return undefined
  if (!isBlock(prefix)) return undefined
  return { cidr: formatPrefix(prefix), node, pool, claimedAt: typeof claimedAt === 'string' ? claimedAt : '', prefix }
}

/** Reads a block's record where it is kept; undefined also for one that has not its block's name: nobody would find it. */
export function blockOfEntry(entry: Pick<Entry, 'name' | 'value'>): ReturnType<typeof readBlock> {
  const block = readBlock(entry.value)
  return block && blockName(block.prefix) === entry.name ? block : undefined
}

/** The block that a record tells of which has not that block's name; undefined: it has, or tells of none. */
export function misnamedBlock(entry: Pick<Entry, 'name' | 'value'>): ReturnType<typeof readBlock> {
  return blockOfEntry(entry) ? undefined : readBlock(entry.value)
}

/** Whose a copy is; undefined: somebody else wrote it. */
export function nodeOfCopy(value: unknown): string | undefined {
  return isMap(value) && isObjectName(value.node) && isMap(value.addresses) ? value.node : undefined
}

/** Of which block a copy is; undefined: of addresses outside the node's blocks. */
export function prefixOfCopy(value: unknown): Prefix | undefined {
  return isMap(value) && typeof value.cidr === 'string' ? parsePrefix(value.cidr) : undefined
}

/** Reads the addresses of a copy, if it is this node's: what nobody can read is left out. */
export function readCopy(value: unknown, node: string): readonly [string, AddressRow][] {
  return entriesOfCopy(value, node).flatMap(([address, entry]): [string, AddressRow][] => {
    const row = readRow(entry)
    return row && isAddress(address) ? [[address, row]] : []
  })
}

/** As they are stored, whatever they are. */
export function entriesOfCopy(value: unknown, node: string): readonly [string, unknown][] {
  return isMap(value) && nodeOfCopy(value) === node && isMap(value.addresses) ? Object.entries(value.addresses) : []
}

// Sets and their elements: NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM. And ranges of addresses as elements of an interval set: where each
// begins, and the first key behind it.

import { compareOctets, octetsOf, parsePrefix } from '../../inet/index.ts'
import { InvalidRequest } from '../core/batch.ts'
import { Attributes, type Message } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { NetfilterSet, SetElement, TableId } from './types.ts'
import { bodyLength, families, readData, writeBody, writeData } from './values.ts'

/** enum nft_set_attributes */
const attribute = { table: 1, name: 2, flags: 3, keyType: 4, keyLength: 5, id: 10, userData: 13 } as const
const flags = { anonymous: 1, interval: 4 } as const
/** enum nft_set_elem_list_attributes, nft_set_elem_attributes, nft_list_attributes */
const list = { table: 1, set: 2, elements: 3, entry: 1 } as const
const element = { key: 1, flags: 3 } as const
const intervalEnd = 1

/** The numbers of libnftables' datatypes: for the kernel they are opaque, `nft` prints the keys by them. */
const keyTypes = {
  ipv4: { type: 7, length: 4 },
  ipv6: { type: 8, length: 16 },
  device: { type: 41, length: 16 },
} as const

/** What nft keeps with a set (NFTNL_UDATA_SET_KEYBYTEORDER): without it, it takes names for numbers and prints them as "". */
const keysInHostOrder = Uint8Array.of(0, 4, ...new Uint8Array(Uint32Array.of(1).buffer))

/** Elements in one message: their list is one attribute, of 64 KiB at most. */
export const elementsPerMessage = 1000

export function writeSet(writer: MessageWriter, table: TableId, set: NetfilterSet, id: number): void {
  const { type, length } = keyTypes[set.key]
  writeBody(writer, families[table.family])
  writer.attributeText(attribute.table, table.name)
  writer.attributeText(attribute.name, set.name)
  writer.attributeU32be(attribute.flags, set.interval ? flags.interval : 0)
  writer.attributeU32be(attribute.keyType, type)
  writer.attributeU32be(attribute.keyLength, length)
  writer.attributeU32be(attribute.id, id)
  if (set.key === 'device') writer.attribute(attribute.userData, keysInHostOrder)
}

export function writeElements(
  writer: MessageWriter,
  table: TableId,
  set: NetfilterSet,
  elements: readonly SetElement[],
): void {
  const { length } = keyTypes[set.key]
  writeElementQuery(writer, table, set.name)
  const nest = writer.beginNest(list.elements)
  for (const { key, end } of elements) {
    if (key.length !== length)
      throw new InvalidRequest(`set "${set.name}": a key has ${key.length} octets; give ${length}`)
    const entry = writer.beginNest(list.entry)
    writeData(writer, element.key, key)
    if (end) writer.attributeU32be(element.flags, intervalEnd)
    writer.endNest(entry)
  }
  writer.endNest(nest)
}

export function writeElementQuery(writer: MessageWriter, table: TableId, set: string): void {
  writeBody(writer, families[table.family])
  writer.attributeText(list.table, table.name)
  writer.attributeText(list.set, set)
}

/** Undefined for anonymous sets, and for keys of a type that this library does not write. */
export function readSet(message: Message): Omit<NetfilterSet, 'elements'> | undefined {
  const a = new Attributes(message, message.from + bodyLength, message.to)
  let name = ''
  let flag = 0
  let key: NetfilterSet['key'] | undefined
  while (a.next()) {
    if (a.type === attribute.name) name = a.text()
    else if (a.type === attribute.flags) flag = a.u32be()
    else if (a.type === attribute.keyType) key = keyOf(a.u32be())
  }
  if (key === undefined || flag & flags.anonymous) return undefined
  return { name, key, interval: (flag & flags.interval) !== 0 }
}

function keyOf(type: number): NetfilterSet['key'] | undefined {
  return (['ipv4', 'ipv6', 'device'] as const).find(each => keyTypes[each].type === type)
}

export function readElements(message: Message): SetElement[] {
  const elements: SetElement[] = []
  const a = new Attributes(message, message.from + bodyLength, message.to)
  while (a.next()) {
    if (a.type !== list.elements) continue
    const entries = a.nested()
    while (entries.next()) {
      const inner = entries.nested()
      let key = new Uint8Array()
      let end = false
      while (inner.next()) {
        if (inner.type === element.key) key = Uint8Array.from(readData(inner))
        else if (inner.type === element.flags) end = (inner.u32be() & intervalEnd) !== 0
      }
      elements.push({ key, ...(end && { end }) })
    }
  }
  return elements
}

/** The order in which sets are given and dumped. */
export function compareElements(a: SetElement, b: SetElement): number {
  return compareOctets(a.key, b.key) || Number(b.end ?? false) - Number(a.end ?? false)
}

/**
 * The elements of an interval set that holds just these prefixes, `10.42.0.0/16` or `fd00::1/128`, all of one family. What
 * overlaps or touches becomes one interval.
 * @throws InvalidRequest for what is no prefix
 */
export function intervals(prefixes: readonly string[]): readonly SetElement[] {
  const merged: { from: bigint; to: bigint; length: number }[] = []
  for (const range of prefixes.map(rangeOf).toSorted((a, b) => (a.from < b.from ? -1 : 1))) {
    const last = merged.at(-1)
    if (last && range.from <= last.to) last.to = range.to > last.to ? range.to : last.to
    else merged.push(range)
  }
  return merged.flatMap(({ from, to, length }) => [
    { key: keyFrom(from, length) },
    // Nothing is behind the last address: such an interval has no end.
    ...(to >> BigInt(8 * length) === 0n ? [{ key: keyFrom(to, length), end: true as const }] : []),
  ])
}

/** `to` is the first address behind it. */
function rangeOf(text: string): { from: bigint; to: bigint; length: number } {
  const prefix = parsePrefix(text)
  if (!prefix) throw new InvalidRequest(`"${text}" is no prefix: write it like 10.42.0.0/26, host bits zero`)
  const length = octetsOf(prefix.family)
  const from = BigInt(`0x${Buffer.from(prefix.octets.subarray(0, length)).toString('hex')}`)
  return { from, to: from + (1n << BigInt(8 * length - prefix.length)), length }
}

function keyFrom(value: bigint, length: number): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex'))
}

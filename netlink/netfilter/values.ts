// Numbers of nftables and the small forms that its attributes share. Sources: linux/netfilter/nf_tables.h, nfnetlink.h,
// linux/netfilter.h. All numbers in attributes are in network byte order.

import { InvalidRequest } from '../core/batch.ts'
import type { Attributes } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { NetfilterFamily } from './types.ts'

export const NETLINK_NETFILTER = 12
/** NFNL_SUBSYS_NFTABLES, the upper octet of a message's type. */
export const subsystem = 10
/** NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END */
export const batch = { begin: 0x10, end: 0x11 } as const
/** NFNLGRP_NFTABLES */
export const group = 7

/** enum nf_tables_msg_types: NEW…; GET… is one more, DEL… two. */
export const nft = { table: 0, chain: 3, rule: 6, set: 9, element: 12 } as const
export const get = 1
export const del = 2

/** NFPROTO_… */
export const families: Readonly<Record<NetfilterFamily, number>> = {
  inet: 1,
  ip: 2,
  arp: 3,
  netdev: 5,
  bridge: 7,
  ip6: 10,
}
export const familyNames = namesOf(families)

/** struct nfgenmsg: family u8, version u8, resource u16 in network order. */
export const bodyLength = 4

export function writeBody(writer: MessageWriter, family: number, resource = 0): void {
  writer.u8(family)
  writer.u8(0)
  writer.u8(resource >> 8)
  writer.u8(resource & 255)
}

/** Type of an nftables message. */
export function typeOf(number: number): number {
  return (subsystem << 8) | number
}

export function namesOf<N extends string>(table: Readonly<Record<N, number>>): ReadonlyMap<number, N> {
  return new Map(Object.entries(table).map(([name, number]) => [number as number, name as N]))
}

/** Comments travel in the user data, in libnftnl's form: type u8 (0), length u8, text with its closing zero. */
const commentType = 0
const longestComment = 127

export function writeComment(writer: MessageWriter, attribute: number, comment: string | undefined): void {
  if (comment === undefined) return
  const text = new TextEncoder().encode(comment)
  if (text.length > longestComment)
    throw new InvalidRequest(`comment "${comment}": ${text.length} octets; give at most ${longestComment}`)
  writer.attribute(attribute, Uint8Array.of(commentType, text.length + 1, ...text, 0))
}

export function readComment(userData: Uint8Array): string | undefined {
  for (let at = 0; at + 2 <= userData.length; at += 2 + userData[at + 1]) {
    const value = userData.subarray(at + 2, at + 2 + userData[at + 1])
    if (userData[at] !== commentType) continue
    const zero = value.indexOf(0)
    return new TextDecoder().decode(zero < 0 ? value : value.subarray(0, zero))
  }
  return undefined
}

const dataValue = 1

/** NFTA_DATA_VALUE within `attribute`. */
export function writeData(writer: MessageWriter, attribute: number, value: Uint8Array): void {
  const nest = writer.beginNest(attribute)
  writer.attribute(dataValue, value)
  writer.endNest(nest)
}

/** A copy; empty if it is a verdict. */
export function readData(attributes: Attributes): Uint8Array {
  const inner = attributes.nested()
  while (inner.next()) if (inner.type === dataValue) return Uint8Array.from(inner.octets())
  return new Uint8Array()
}

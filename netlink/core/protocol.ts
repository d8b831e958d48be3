// The frame of every netlink message (linux/netlink.h). Numbers are in the byte order of the machine.

import { endianness } from 'node:os'

/** linux/netlink.h */
export const NETLINK_ROUTE = 0

export const littleEndian = endianness() === 'LE'

/** struct nlmsghdr: length u32, type u16, flags u16, sequence u32, port u32. */
export const headerLength = 16

export const message = { error: 2, done: 3 } as const

export const flag = {
  request: 0x01,
  ack: 0x04,
  dumpInterrupted: 0x10,
  /** Of GET requests: NLM_F_ROOT | NLM_F_MATCH. */
  dump: 0x300,
  /** Of NEW requests. */
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  /** Of acknowledgements: the request's payload is left out, attributes follow. */
  capped: 0x100,
  ackAttributes: 0x200,
} as const

/** enum nlmsgerr_attrs */
export const errorAttribute = { message: 1 } as const

/** Attribute types carry two flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER). */
export const attributeTypeMask = 0x3fff
export const nested = 0x8000

/** Messages and attributes start at multiples of four. */
export function align(length: number): number {
  return (length + 3) & ~3
}

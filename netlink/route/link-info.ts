// struct ifinfomsg and the attributes that every link has (linux/if_link.h); a veth's peer is written in the same form.

import { InvalidRequest } from '../core/batch.ts'
import type { MessageWriter } from '../core/writer.ts'
import { AF_UNSPEC, macOctets, whole } from './values.ts'

/** Gives an fd for a namespace that stays open until the kernel has answered. */
export type OpenNamespace = (netns: string | number) => number

/** IFLA_… */
export const attribute = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  afSpec: 26,
  group: 27,
  netnsFd: 28,
  extMask: 29,
  carrier: 33,
  infoKind: 1,
  infoData: 2,
} as const

/** struct ifinfomsg: family u8, pad u8, type u16, index i32, flags u32, mask of changed flags u32. */
export function writeHeader(writer: MessageWriter, index: number, flags: number, mask: number): void {
  writer.u8(AF_UNSPEC)
  writer.u8(0)
  writer.u16(0)
  writer.u32(index)
  writer.u32(flags)
  writer.u32(mask)
}

/** Attributes that a link and the peer of a veth share. */
export function writeCommon(
  writer: MessageWriter,
  link: { readonly name?: string; readonly mtu?: number; readonly mac?: string },
): void {
  if (link.name !== undefined) writer.attributeText(attribute.name, linkName(link.name))
  if (link.mtu !== undefined) writer.attributeU32(attribute.mtu, whole(link.mtu, 0, 0xffffffff, 'MTU'))
  if (link.mac !== undefined) writer.attribute(attribute.address, macOctets(link.mac))
}

/** dev_valid_name: 1 to 15 octets, no slash, colon or space, not `.` or `..`. */
function linkName(name: string): string {
  if (name === '.' || name === '..' || !/^[^\s/:\0]+$/.test(name) || new TextEncoder().encode(name).length > 15)
    throw new InvalidRequest(`link name "${name}" is not 1 to 15 characters without slash, colon and space`)
  return name
}

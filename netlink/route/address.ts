// Addresses of links (linux/if_addr.h): struct ifaddrmsg and its attributes.

import { littleEndian } from '../core/protocol.ts'
import { Attributes, type Message } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { InterfaceAddress, IpFamily } from '../types.ts'
import {
  addressOf,
  addressText,
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  afOf,
  cidrOf,
  linkIndex,
  scopeName,
  scopeNumber,
} from './values.ts'
import { InvalidRequest } from '../core/batch.ts'

/** IFA_… */
const attribute = { address: 1, local: 2, flags: 8 } as const
const IFA_F_SECONDARY = 0x01
const IFA_F_NODAD = 0x02
const IFA_F_TENTATIVE = 0x40

const bodyLength = 8

/** RTM_NEWADDR, RTM_DELADDR. struct ifaddrmsg: family, length, flags, scope u8; link u32. */
export function writeAddress(writer: MessageWriter, address: InterfaceAddress): void {
  const what = `address "${address.cidr}"`
  const { address: local, length } = cidrOf(address.cidr, 'address')
  const peer = address.peer === undefined ? local : addressOf(address.peer, `${what}: peer`)
  if (peer.family !== local.family) throw new InvalidRequest(`${what}: peer "${address.peer}" is of another family`)
  writer.u8(afOf(local.family))
  writer.u8(length)
  writer.u8(0)
  writer.u8(scopeNumber(address.scope))
  writer.u32(linkIndex(address.link))
  writer.attribute(attribute.local, local.octets)
  writer.attribute(attribute.address, peer.octets)
  if (address.noDad) writer.attributeU32(attribute.flags, IFA_F_NODAD)
}

/** RTM_GETADDR: every address of a family. */
export function writeAddressQuery(writer: MessageWriter, family?: IpFamily): void {
  writer.u8(family === undefined ? AF_UNSPEC : afOf(family))
  writer.u8(0)
  writer.u8(0)
  writer.u8(0)
  writer.u32(0)
}

/** RTM_NEWADDR or RTM_DELADDR; undefined for families other than IP. */
export function readAddress(message: Message): InterfaceAddress | undefined {
  const { view, from, to } = message
  if (to - from < bodyLength) return undefined
  const family = view.getUint8(from)
  if (family !== AF_INET && family !== AF_INET6) return undefined
  let flags = view.getUint8(from + 2)
  let local: Uint8Array | undefined
  let address: Uint8Array | undefined
  const a = new Attributes(message, from + bodyLength, to)
  while (a.next()) {
    if (a.type === attribute.local) local = a.octets()
    else if (a.type === attribute.address) address = a.octets()
    else if (a.type === attribute.flags) flags = a.u32()
  }
  const own = local ?? address
  if (!own) return undefined
  const text = addressText(own)
  const peer = address && local ? addressText(address) : text
  return {
    link: view.getUint32(from + 4, littleEndian),
    cidr: `${text}/${view.getUint8(from + 1)}`,
    ...(peer !== text && { peer }),
    scope: scopeName(view.getUint8(from + 3)),
    ...(flags & IFA_F_NODAD && { noDad: true }),
    ...(flags & IFA_F_TENTATIVE && { tentative: true }),
    ...(flags & IFA_F_SECONDARY && { secondary: true }),
  }
}

// Settings of links as the kernel tells of them, asked or when one changes (linux/netconf.h): those that routing depends on.

import { Attributes, type Message } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { IpFamily, Netconf } from '../types.ts'
import { AF_INET, AF_INET6, afOf } from './values.ts'

/** NETCONFA_… */
const attribute = { link: 1, forwarding: 2, reversePathFilter: 3, ignoreRoutesWithLinkDown: 6 } as const
/** NETCONFA_IFINDEX_ALL, NETCONFA_IFINDEX_DEFAULT */
const everyLink = -1
const newLinks = -2

/** struct netconfmsg: family u8, padded to four octets. */
const bodyLength = 4

/** RTM_GETNETCONF. */
export function writeNetconfQuery(writer: MessageWriter, family: IpFamily, link: Netconf['link']): void {
  writer.u32(afOf(family))
  writer.attributeU32(attribute.link, link === 'all' ? everyLink : link === 'default' ? newLinks : link)
}

/** RTM_NEWNETCONF, RTM_DELNETCONF; undefined for families other than IP. */
export function readNetconf(message: Message): Netconf | undefined {
  const { view, from, to } = message
  if (to - from < bodyLength) return undefined
  const family = view.getUint8(from)
  if (family !== AF_INET && family !== AF_INET6) return undefined
  const values: { -readonly [K in keyof Netconf]?: Netconf[K] } = {}
  const a = new Attributes(message, from + bodyLength, to)
  while (a.next()) {
    if (a.type === attribute.link) values.link = linkOf(a.u32() | 0)
    else if (a.type === attribute.forwarding) values.forwarding = a.u32() !== 0
    else if (a.type === attribute.reversePathFilter) values.reversePathFilter = a.u32()
    else if (a.type === attribute.ignoreRoutesWithLinkDown) values.ignoreRoutesWithLinkDown = a.u32() !== 0
  }
  const { link, ...rest } = values
  return link === undefined ? undefined : { family: family === AF_INET ? 4 : 6, link, ...rest }
}

function linkOf(index: number): Netconf['link'] {
  return index === everyLink ? 'all' : index === newLinks ? 'default' : index
}

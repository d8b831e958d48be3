// Links: what is asked of them and what the kernel says of them (linux/if_link.h).

import { InvalidRequest } from '../core/batch.ts'
import { littleEndian } from '../core/protocol.ts'
import { Attributes, type Message } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { Link, LinkChange, NewLink, TunnelInfo } from '../types.ts'
import { attribute, type OpenNamespace, writeCommon, writeHeader } from './link-info.ts'
import { kinds, tunnels, writeMovedData } from './link-kinds.ts'
import { AF_INET, AF_INET6, AF_UNSPEC, linkIndex, macText, whole } from './values.ts'

/** net/if.h, linux/if.h */
const IFF_UP = 0x1
const IFF_LOOPBACK = 0x8
const IFF_NOARP = 0x80

/** IFLA_INET_CONF, and in it IPV4_DEVCONF_… (linux/ip.h) */
const inetConf = 1
const devconf = { forwarding: 1, sendRedirects: 6, reversePathFilter: 8 } as const
/** IFLA_INET6_ADDR_GEN_MODE and its values (linux/if_link.h) */
const addressMode = 8
const addressModes = { eui64: 0, none: 1 } as const

/** RTEXT_FILTER_SKIP_STATS: a dump of many links is a fifth of the size without counters. */
const SKIP_STATS = 1 << 3

const bodyLength = 16

/** RTM_NEWLINK with NLM_F_CREATE | NLM_F_EXCL. */
export function writeNewLink(writer: MessageWriter, link: NewLink, openNamespace: OpenNamespace): void {
  const kind = kinds[link.kind]
  if (kind === undefined)
    throw new InvalidRequest(`link "${link.name}": kind "${link.kind}" is none of ${Object.keys(kinds).join(', ')}`)
  writeHeader(writer, 0, link.up ? IFF_UP : 0, link.up ? IFF_UP : 0)
  writeCommon(writer, link)
  const info = writer.beginNest(attribute.linkInfo)
  writer.attributeText(attribute.infoKind, link.kind)
  const data = writer.beginNest(attribute.infoData)
  kind(writer, link, openNamespace)
  writer.endNest(data)
  writer.endNest(info)
}

/** RTM_SETLINK. */
export function writeLinkChange(
  writer: MessageWriter,
  index: number,
  change: LinkChange,
  openNamespace: OpenNamespace,
): void {
  const flags = (change.up ? IFF_UP : 0) | (change.noArp ? IFF_NOARP : 0)
  const mask = (change.up === undefined ? 0 : IFF_UP) | (change.noArp === undefined ? 0 : IFF_NOARP)
  writeHeader(writer, linkIndex(index), flags, mask)
  writeCommon(writer, change)
  if (change.master !== undefined) writer.attributeU32(attribute.master, whole(change.master, 0, 0x7fffffff, 'master'))
  if (change.netns !== undefined) writer.attributeU32(attribute.netnsFd, openNamespace(change.netns))
  if (change.group !== undefined) writer.attributeU32(attribute.group, groupNumber(change.group))
  if (change.ipv4 || change.ipv6Addresses) writeFamilies(writer, change)
}

/** IFLA_AF_SPEC: what a link has of each family. */
function writeFamilies(writer: MessageWriter, { ipv4, ipv6Addresses }: LinkChange): void {
  const families = writer.beginNest(attribute.afSpec)
  if (ipv4) {
    const family = writer.beginNest(AF_INET)
    const conf = writer.beginNest(inetConf)
    for (const [name, value] of Object.entries(ipv4))
      if (value !== undefined)
        writer.attributeU32(devconf[name as keyof typeof devconf], whole(Number(value), 0, 2, name))
    writer.endNest(conf)
    writer.endNest(family)
  }
  if (ipv6Addresses) {
    const family = writer.beginNest(AF_INET6)
    writer.attributeU8(addressMode, addressModes[ipv6Addresses])
    writer.endNest(family)
  }
  writer.endNest(families)
}

/** RTM_NEWLINK of a link that is there: what its kind has to say is replaced, and its routes stay. */
export function writeLinkMove(writer: MessageWriter, index: number, to: NewLink, openNamespace: OpenNamespace): void {
  writeHeader(writer, linkIndex(index), 0, 0)
  const info = writer.beginNest(attribute.linkInfo)
  writer.attributeText(attribute.infoKind, to.kind)
  const data = writer.beginNest(attribute.infoData)
  writeMovedData(writer, to, openNamespace)
  writer.endNest(data)
  writer.endNest(info)
}

/** RTM_DELLINK. */
export function writeLinkDelete(writer: MessageWriter, index: number): void {
  writeHeader(writer, linkIndex(index), 0, 0)
}

/** RTM_DELLINK of all in a group: index 0, and no name. */
export function writeLinksDelete(writer: MessageWriter, group: number): void {
  if (group === 0) throw new InvalidRequest('link group 0 is that of every link that has been given none')
  writeHeader(writer, 0, 0, 0)
  writer.attributeU32(attribute.group, groupNumber(group))
}

function groupNumber(value: number): number {
  return whole(value, 0, 0x7fffffff, 'link group')
}

/** RTM_GETLINK: of all, or of the one with that name. */
export function writeLinkQuery(writer: MessageWriter, name?: string): void {
  writeHeader(writer, 0, 0, 0)
  writer.attributeU32(attribute.extMask, SKIP_STATS)
  if (name !== undefined) writer.attributeText(attribute.name, name)
}

/** RTM_NEWLINK or RTM_DELLINK; undefined for what a bridge says of its ports in the same form (AF_BRIDGE). */
export function readLink(message: Message): Link | undefined {
  const { view, from, to } = message
  if (to - from < bodyLength || view.getUint8(from) !== AF_UNSPEC) return undefined
  const flags = view.getUint32(from + 8, littleEndian)
  let name = ''
  let mtu = 0
  let carrier = false
  let kind: string | undefined
  let tunnel: TunnelInfo | undefined
  let mac: string | undefined
  let peerIndex = 0
  let master = 0
  const a = new Attributes(message, from + bodyLength, to)
  while (a.next()) {
    if (a.type === attribute.name) name = a.text()
    else if (a.type === attribute.mtu) mtu = a.u32()
    else if (a.type === attribute.address) mac = macText(a.octets())
    else if (a.type === attribute.carrier) carrier = a.u8() !== 0
    else if (a.type === attribute.link) peerIndex = a.u32()
    else if (a.type === attribute.master) master = a.u32()
    else if (a.type === attribute.linkInfo) {
      const info = a.nested()
      while (info.next()) {
        if (info.type === attribute.infoKind) kind = info.text()
        else if (info.type === attribute.infoData && kind !== undefined) tunnel = tunnels[kind]?.(info.nested())
      }
    }
  }
  return {
    index: view.getUint32(from + 4, littleEndian),
    name,
    ...(kind !== undefined && { kind }),
    up: (flags & IFF_UP) !== 0,
    carrier,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    ...((flags & IFF_NOARP) !== 0 && { noArp: true }),
    mtu,
    ...(mac !== undefined && { mac }),
    ...(peerIndex !== 0 && { peerIndex }),
    ...(master !== 0 && { master }),
    ...(tunnel && { tunnel }),
  }
}

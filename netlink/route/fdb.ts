// A link's own forwarding table, as VXLAN keeps one (linux/neighbour.h): neighbour messages of family AF_BRIDGE with NTF_SELF.
// Every entry that is written is permanent: nothing ages it out, and what is received does not move it.

import { littleEndian } from '../core/protocol.ts'
import { Attributes, type Message } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { FdbEntry } from '../types.ts'
import { addressOf, addressText, linkIndex, macOctets, macText, whole } from './values.ts'

/** NDA_… */
const attribute = { dst: 1, mac: 2, port: 6, vni: 7, link: 8 } as const
const AF_BRIDGE = 7
const NTF_SELF = 0x02
/** NUD_NOARP | NUD_PERMANENT */
const permanent = 0x40 | 0x80

const bodyLength = 12

/** RTM_NEWNEIGH, RTM_DELNEIGH. */
export function writeFdbEntry(writer: MessageWriter, { link, mac, dst, port, vni, via }: FdbEntry): void {
  writeHeader(writer, linkIndex(link), permanent, NTF_SELF)
  writer.attribute(attribute.mac, macOctets(mac))
  if (dst !== undefined) writer.attribute(attribute.dst, addressOf(dst, `fdb entry ${mac}: dst`).octets)
  if (port !== undefined) writer.attributeU16be(attribute.port, whole(port, 1, 65535, `fdb entry ${mac}: UDP port`))
  if (vni !== undefined) writer.attributeU32(attribute.vni, whole(vni, 0, 0xffffff, `fdb entry ${mac}: VNI`))
  if (via !== undefined) writer.attributeU32(attribute.link, linkIndex(via))
}

/** RTM_GETNEIGH: of every link. */
export function writeFdbQuery(writer: MessageWriter): void {
  writeHeader(writer, 0, 0, 0)
}

/** struct ndmsg: family u8, pad 3, link i32, state u16, flags u8, type u8. */
function writeHeader(writer: MessageWriter, link: number, state: number, flags: number): void {
  writer.u8(AF_BRIDGE)
  writer.u8(0)
  writer.u16(0)
  writer.u32(link)
  writer.u16(state)
  writer.u8(flags)
  writer.u8(0)
}

/** RTM_NEWNEIGH; undefined for IP neighbours, and for what a bridge keeps of a port in the bridge's table. */
export function readFdbEntry(message: Message): FdbEntry | undefined {
  const { view, from, to } = message
  if (to - from < bodyLength || view.getUint8(from) !== AF_BRIDGE) return undefined
  if (!(view.getUint8(from + 10) & NTF_SELF)) return undefined
  let mac: string | undefined
  let dst: string | undefined
  let own: Pick<FdbEntry, 'port' | 'vni' | 'via'> = {}
  const a = new Attributes(message, from + bodyLength, to)
  while (a.next()) {
    if (a.type === attribute.mac) mac = macText(a.octets())
    else if (a.type === attribute.dst) dst = addressText(a.octets())
    else if (a.type === attribute.port) own = { ...own, port: a.u16be() }
    else if (a.type === attribute.vni) own = { ...own, vni: a.u32() }
    else if (a.type === attribute.link) own = { ...own, via: a.u32() }
  }
  if (mac === undefined) return undefined
  return { link: view.getUint32(from + 4, littleEndian), mac, ...(dst !== undefined && { dst }), ...own }
}

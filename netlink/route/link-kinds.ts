// What each kind of link needs beside a name (IFLA_INFO_DATA). A new kind is a member of `NewLink` and a row here.

import { InvalidRequest } from '../core/batch.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { Attributes } from '../core/reader.ts'
import type { NewLink, TunnelInfo } from '../types.ts'
import { attribute, type OpenNamespace, writeCommon, writeHeader } from './link-info.ts'
import { addressOf, addressText, whole } from './values.ts'

type LinkOf<K extends NewLink['kind']> = Extract<NewLink, { readonly kind: K }>
type WriteData<K extends NewLink['kind']> = (
  writer: MessageWriter,
  link: LinkOf<K>,
  openNamespace: OpenNamespace,
) => void

/** VETH_INFO_…, IFLA_VXLAN_…, IFLA_IPTUN_…, IFLA_GRE_… */
const VETH_INFO_PEER = 1
const VXLAN = {
  id: 1,
  remote: 2,
  link: 3,
  local: 4,
  ttl: 5,
  tos: 6,
  learning: 7,
  port: 15,
  remote6: 16,
  local6: 17,
  df: 29,
} as const
/** enum ifla_vxlan_df */
const vxlanDf: Readonly<Partial<Record<number, TunnelInfo['df']>>> = { 1: 'on', 2: 'inherit' }
const IPTUN = {
  link: 1,
  local: 2,
  remote: 3,
  ttl: 4,
  tos: 5,
  pmtudisc: 10,
  encapType: 15,
  encapFlags: 16,
  encapSource: 17,
  encapPort: 18,
} as const
const GRE = {
  link: 1,
  local: 6,
  remote: 7,
  ttl: 8,
  tos: 9,
  pmtudisc: 10,
  encapType: 14,
  encapFlags: 15,
  encapSource: 16,
  encapPort: 17,
} as const
const GRE_KEY = { inFlags: 2, outFlags: 3, inKey: 4, outKey: 5 } as const
/** GRE_KEY of linux/if_tunnel.h, in network byte order. */
const hasKey = 0x2000
/** TUNNEL_ENCAP_… */
const encapTypes = { fou: 1, gue: 2 } as const

/** What IPIP and GRE have in common, each under its own numbers. */
type EndAttributes = { readonly [A in keyof typeof IPTUN]: number }

const table: { readonly [K in NewLink['kind']]: WriteData<K> } = {
  veth: (writer, { peer }, openNamespace) => {
    const at = writer.beginNest(VETH_INFO_PEER, 0)
    writeHeader(writer, 0, 0, 0)
    writeCommon(writer, peer)
    if (peer.netns !== undefined) writer.attributeU32(attribute.netnsFd, openNamespace(peer.netns))
    writer.endNest(at)
  },

  bridge: () => {},

  wireguard: () => {},

  vxlan: (writer, link) => {
    writer.attributeU32(VXLAN.id, whole(link.id, 0, 0xffffff, `link "${link.name}": VXLAN id`))
    writer.attributeU16be(VXLAN.port, whole(link.port ?? 4789, 1, 65535, `link "${link.name}": UDP port`))
    writeVxlanLocal(writer, link)
    if (link.learning !== undefined) writer.attributeU8(VXLAN.learning, link.learning ? 1 : 0)
  },

  ipip: (writer, link) => writeEnds(writer, link, IPTUN),

  gre: (writer, link) => {
    writeEnds(writer, link, GRE)
    if (link.key === undefined) return
    for (const flags of [GRE_KEY.inFlags, GRE_KEY.outFlags]) writer.attributeU16be(flags, hasKey)
    for (const key of [GRE_KEY.inKey, GRE_KEY.outKey])
      writer.attributeU32be(key, whole(link.key, 0, 0xffffffff, `link "${link.name}": key`))
  },
}

/** What devices that carry IPv4 in IPv4 have in common. */
function writeEnds(writer: MessageWriter, link: LinkOf<'ipip' | 'gre'>, attributes: EndAttributes): void {
  for (const end of ['local', 'remote'] as const) {
    const text = link[end]
    if (text === undefined) continue
    const { family, octets } = addressOf(text, `link "${link.name}": ${end}`)
    if (family !== 4)
      throw new InvalidRequest(`link "${link.name}": ${end} "${text}" is not IPv4, as ${link.kind.toUpperCase()} is`)
    writer.attribute(attributes[end], octets)
  }
  if (link.ttl !== undefined) writer.attributeU8(attributes.ttl, whole(link.ttl, 1, 255, `link "${link.name}": TTL`))
  if (!link.encap) return
  writer.attributeU16(attributes.encapType, encapTypes[link.encap.type])
  writer.attributeU16(attributes.encapFlags, 0)
  writer.attributeU16be(attributes.encapSource, 0)
  writer.attributeU16be(attributes.encapPort, whole(link.encap.port, 1, 65535, `link "${link.name}": UDP port`))
}

function writeVxlanLocal(writer: MessageWriter, { name, local: text }: LinkOf<'vxlan'>): void {
  if (text === undefined) return
  const local = addressOf(text, `link "${name}": local`)
  writer.attribute(local.family === 4 ? VXLAN.local : VXLAN.local6, local.octets)
}

export const kinds = table as Readonly<Partial<Record<string, WriteData<NewLink['kind']>>>>

/** For a link that is there. VXLAN's kernel side keeps what is not named, and refuses its port even if it is the same; the others' do not. */
export function writeMovedData(writer: MessageWriter, link: NewLink, openNamespace: OpenNamespace): void {
  if (link.kind === 'vxlan') writeVxlanLocal(writer, link)
  else kinds[link.kind]?.(writer, link, openNamespace)
}

type ReadData = (data: Attributes) => TunnelInfo

/** What is read back of a kind (IFLA_INFO_DATA); of the others the kind's name alone. */
export const tunnels: Readonly<Partial<Record<string, ReadData>>> = {
  vxlan: data => {
    let info: TunnelInfo = {}
    while (data.next()) {
      if (data.type === VXLAN.id) info = { ...info, id: data.u32() }
      else if (data.type === VXLAN.port) info = { ...info, port: data.u16be() }
      else if (data.type === VXLAN.learning) info = { ...info, learning: data.u8() !== 0 }
      else if (data.type === VXLAN.tos && data.u8() !== 0) info = { ...info, tos: data.u8() }
      else if (data.type === VXLAN.df && data.u8() !== 0) info = { ...info, df: vxlanDf[data.u8()] ?? 'on' }
      else if (data.type === VXLAN.ttl && data.u8() !== 0) info = { ...info, ttl: data.u8() }
      else if (data.type === VXLAN.link && data.u32() !== 0) info = { ...info, link: data.u32() }
      else if (data.type === VXLAN.local || data.type === VXLAN.local6) info = { ...info, local: endOf(data) }
      else if (data.type === VXLAN.remote || data.type === VXLAN.remote6) info = { ...info, remote: endOf(data) }
    }
    return info
  },

  ipip: data => readEnds(data, IPTUN),

  gre: data => readEnds(data, GRE),
}

function readEnds(data: Attributes, attributes: EndAttributes): TunnelInfo {
  let info: TunnelInfo = {}
  let [type, port, flags, key] = [0, 0, 0, 0]
  while (data.next()) {
    const end = data.type === attributes.local ? 'local' : data.type === attributes.remote ? 'remote' : undefined
    // The kernel says 0.0.0.0 for an end that is not set.
    if (end && data.u32() !== 0) info = { ...info, [end]: endOf(data) }
    else if (data.type === attributes.tos && data.u8() !== 0) info = { ...info, tos: data.u8() }
    else if (data.type === attributes.pmtudisc && data.u8() === 0) info = { ...info, df: 'off' }
    else if (data.type === attributes.ttl && data.u8() !== 0) info = { ...info, ttl: data.u8() }
    else if (data.type === attributes.link && data.u32() !== 0) info = { ...info, link: data.u32() }
    else if (data.type === attributes.encapType) type = data.u16()
    else if (data.type === attributes.encapPort) port = data.u16be()
    else if (attributes === GRE && data.type === GRE_KEY.inFlags) flags = data.u16be()
    else if (attributes === GRE && data.type === GRE_KEY.inKey) key = data.u32be()
  }
  if ((flags & hasKey) !== 0) info = { ...info, key }
  const encap = type === encapTypes.fou ? 'fou' : type === encapTypes.gue ? 'gue' : undefined
  return encap === undefined ? info : { ...info, encap: { type: encap, port } }
}

function endOf(data: Attributes): string {
  return addressText(data.octets())
}

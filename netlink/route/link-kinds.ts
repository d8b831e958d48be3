// What each kind of link needs beside a name (IFLA_INFO_DATA). A new kind is a member of `NewLink` and a row here.

import type { MessageWriter } from '../core/writer.ts'
import type { NewLink } from '../types.ts'
import { attribute, type OpenNamespace, writeCommon, writeHeader } from './link-info.ts'
import { addressOf, whole } from './values.ts'

type LinkOf<K extends NewLink['kind']> = Extract<NewLink, { readonly kind: K }>
type WriteData<K extends NewLink['kind']> = (
  writer: MessageWriter,
  link: LinkOf<K>,
  openNamespace: OpenNamespace,
) => void

/** VETH_INFO_…, IFLA_VXLAN_… */
const VETH_INFO_PEER = 1
const VXLAN = { id: 1, local: 4, learning: 7, port: 15, local6: 17 } as const

const table: { readonly [K in NewLink['kind']]: WriteData<K> } = {
  veth: (writer, { peer }, openNamespace) => {
    const at = writer.beginNest(VETH_INFO_PEER, 0)
    writeHeader(writer, 0, 0, 0)
    writeCommon(writer, peer)
    if (peer.netns !== undefined) writer.attributeU32(attribute.netnsFd, openNamespace(peer.netns))
    writer.endNest(at)
  },

  bridge: () => {},

  vxlan: (writer, link) => {
    writer.attributeU32(VXLAN.id, whole(link.id, 0, 0xffffff, `link "${link.name}": VXLAN id`))
    writer.attributeU16be(VXLAN.port, whole(link.port ?? 4789, 1, 65535, `link "${link.name}": UDP port`))
    if (link.local !== undefined) {
      const local = addressOf(link.local, `link "${link.name}": local`)
      writer.attribute(local.family === 4 ? VXLAN.local : VXLAN.local6, local.octets)
    }
    if (link.learning !== undefined) writer.attributeU8(VXLAN.learning, link.learning ? 1 : 0)
  },
}

export const kinds = table as Readonly<Partial<Record<string, WriteData<NewLink['kind']>>>>

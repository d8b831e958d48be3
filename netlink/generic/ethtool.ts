// Features of network devices (linux/ethtool_netlink.h, family `ethtool`, since Linux 5.9).

import { NetlinkError } from '../core/errno.ts'
import type { Attributes } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { OpenOptions } from '../route/rtnetlink.ts'
import type { Ethtool } from './ethtool-types.ts'
import { type GenericRequest, GenericSocket } from './generic.ts'

/** ETHTOOL_MSG_FEATURES_… */
const command = { get: 11, set: 12 } as const
/** ETHTOOL_A_FEATURES_…, ETHTOOL_A_HEADER_…, ETHTOOL_A_BITSET_… */
const attribute = { header: 1, wanted: 3, active: 4 } as const
const header = { link: 1, flags: 3 } as const
const bitset = { bits: 3 } as const
const bit = { entry: 1, name: 2, value: 3 } as const
/** ETHTOOL_FLAG_OMIT_REPLY */
const omitReply = 2

/**
 * Opens the settings of devices in a network namespace; see `open` for the socket's life.
 * @throws NoGenericFamily if the kernel lacks it
 */
export async function openEthtool(options: OpenOptions = {}): Promise<Ethtool> {
  const socket = await GenericSocket.open('ethtool', options)
  return {
    features: async link => {
      const found = await socket.get({ command: command.get, body: writer => writeHeader(writer, link, 0) }, readActive)
      if (!found) throw new NetlinkError('ENODEV', `link ${link}: the kernel told nothing of its features`)
      return found
    },
    setFeature: async (link, name, on) => (await socket.send([featureRequest(link, name, on)]))[0],
    close: () => socket.close(),
    [Symbol.asyncDispose]: () => socket.close(),
  }
}

/** ETHTOOL_MSG_FEATURES_SET: a list of bits with the values that they shall have. */
export function featureRequest(link: number, name: string, on: boolean): GenericRequest {
  return {
    command: command.set,
    body: writer => {
      writeHeader(writer, link, omitReply)
      const wanted = writer.beginNest(attribute.wanted)
      const bits = writer.beginNest(bitset.bits)
      const entry = writer.beginNest(bit.entry)
      writer.attributeText(bit.name, name)
      if (on) writer.attribute(bit.value, new Uint8Array(0))
      for (const nest of [entry, bits, wanted]) writer.endNest(nest)
    },
  }
}

function writeHeader(writer: MessageWriter, link: number, flags: number): void {
  const at = writer.beginNest(attribute.header)
  writer.attributeU32(header.link, link)
  if (flags !== 0) writer.attributeU32(header.flags, flags)
  writer.endNest(at)
}

/** The bits that are on: the kernel lists those alone. */
function readActive(attributes: Attributes): ReadonlySet<string> {
  const active = new Set<string>()
  for (const set of each(attributes, attribute.active))
    for (const bits of each(set, bitset.bits))
      for (const entry of each(bits, bit.entry))
        while (entry.next()) if (entry.type === bit.name) active.add(entry.text())
  return active
}

function* each(attributes: Attributes, type: number): Generator<Attributes> {
  while (attributes.next()) if (attributes.type === type) yield attributes.nested()
}

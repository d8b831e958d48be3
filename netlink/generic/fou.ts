// Foo-over-UDP: UDP ports on which the kernel unwraps what is within (linux/fou.h, family `fou`).

import { InvalidRequest } from '../core/batch.ts'
import type { Attributes } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { OpenOptions } from '../route/rtnetlink.ts'
import { addressOf, addressText, AF_INET, whole } from '../route/values.ts'
import { type GenericRequest, GenericSocket } from './generic.ts'
import type { Fou, FouPort } from './fou-types.ts'

const command = { add: 1, delete: 2, get: 3 } as const
/** FOU_ATTR_… */
const attribute = { port: 1, family: 2, protocol: 3, type: 4, local4: 6 } as const
/** FOU_ENCAP_… */
const types = { direct: 1, gue: 2 } as const

/**
 * Opens Foo-over-UDP in a network namespace; see `open` for the socket's life.
 * @throws NoGenericFamily if the kernel lacks it, or its module is not loaded
 */
export async function openFou(options: OpenOptions = {}): Promise<Fou> {
  const socket = await GenericSocket.open('fou', options)
  const send = async (request: GenericRequest) => (await socket.send([request]))[0]
  return {
    ports: () => socket.dump({ command: command.get }, readFouPort),
    add: port => send(fouRequest('add', port)),
    delete: port => send(fouRequest('delete', port)),
    close: () => socket.close(),
    [Symbol.asyncDispose]: () => socket.close(),
  }
}

/** FOU_CMD_ADD, FOU_CMD_DEL: the kernel compares all of it when it deletes. */
export function fouRequest(verb: 'add' | 'delete', port: FouPort): GenericRequest {
  return { command: command[verb], body: writer => writeFouPort(writer, port) }
}

function writeFouPort(writer: MessageWriter, { port, type, protocol, local }: FouPort): void {
  writer.attributeU16be(attribute.port, whole(port, 1, 65535, 'UDP port'))
  writer.attributeU8(attribute.family, AF_INET)
  if (type === 'direct') writer.attributeU8(attribute.protocol, whole(protocol ?? 0, 1, 255, 'protocol'))
  writer.attributeU8(attribute.type, types[type])
  if (local === undefined) return
  const { family, octets } = addressOf(local, 'local')
  if (family !== 4) throw new InvalidRequest(`UDP port ${port}: local "${local}" is not IPv4`)
  writer.attribute(attribute.local4, octets)
}

export function readFouPort(attributes: Attributes): FouPort | undefined {
  let [port, family, protocol] = [0, 0, 0]
  let type: FouPort['type'] | undefined
  let local: string | undefined
  while (attributes.next()) {
    if (attributes.type === attribute.port) port = attributes.u16be()
    else if (attributes.type === attribute.family) family = attributes.u8()
    else if (attributes.type === attribute.protocol) protocol = attributes.u8()
    else if (attributes.type === attribute.type) type = attributes.u8() === types.gue ? 'gue' : 'direct'
    else if (attributes.type === attribute.local4 && attributes.u32() !== 0) local = addressText(attributes.octets())
  }
  if (family !== AF_INET || type === undefined) return undefined
  return { port, type, ...(type === 'direct' && { protocol }), ...(local !== undefined && { local }) }
}

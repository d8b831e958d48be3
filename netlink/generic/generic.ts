// Generic netlink (linux/genetlink.h): many small protocols, each a family that the kernel numbers when its module is loaded. A
// GenericSocket speaks to one of them, whose number it asks for by name.

import { type Outcome, sendBatch } from '../core/batch.ts'
import { dump, get, type Query } from '../core/dump.ts'
import { NetlinkError } from '../core/errno.ts'
import { flag } from '../core/protocol.ts'
import { Attributes, type Message } from '../core/reader.ts'
import { NetlinkSocket } from '../core/socket.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { OpenOptions } from '../route/rtnetlink.ts'

const NETLINK_GENERIC = 16

/** struct genlmsghdr: command u8, version u8, reserved u16. */
const genericHeader = 4

/** The family that knows the others: GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_… */
const control = { id: 0x10, version: 2, getFamily: 3 } as const
const attribute = { id: 1, name: 2, version: 3 } as const

/** A family as this kernel has it, until its module is unloaded. */
export interface GenericFamily {
  /** The type of its messages. */
  readonly id: number
  readonly version: number
}

/** One message to a family: the command, and what writes its attributes (none: a command without). */
export interface GenericRequest {
  readonly command: number
  /** May throw InvalidRequest, which then is the request's outcome. */
  readonly body?: (writer: MessageWriter) => void
}

/** The kernel has no such family, nor a module that it would load for it by itself. `code` is ENOENT. */
export class NoGenericFamily extends NetlinkError {
  readonly family: string

  constructor(family: string) {
    super('ENOENT', `this kernel has no generic netlink family "${family}"; a module may be missing`)
    this.name = 'NoGenericFamily'
    this.family = family
  }
}

export class GenericSocket implements AsyncDisposable {
  readonly #socket: NetlinkSocket
  readonly #family: GenericFamily

  private constructor(socket: NetlinkSocket, family: GenericFamily) {
    this.#socket = socket
    this.#family = family
  }

  /**
   * Opens generic netlink for one family, such as `wireguard`; see `open` for the socket's life.
   * @throws NoGenericFamily if the kernel lacks it; NetlinkError if the namespace is missing or may not be entered
   */
  static async open(family: string, options: OpenOptions = {}): Promise<GenericSocket> {
    const socket = await NetlinkSocket.open({ ...options, protocol: NETLINK_GENERIC })
    try {
      const found = await get(socket, familyQuery(family), readFamily, ['ENOENT'])
      if (!found) throw new NoGenericFamily(family)
      return new GenericSocket(socket, found)
    } catch (error) {
      await socket.close()
      throw error
    }
  }

  /** Everything that a dump command gives, each message read or left out (undefined). */
  dump<T>(request: GenericRequest, read: (attributes: Attributes) => T | undefined): Promise<T[]> {
    const query: Query = (writer, flags, sequence) => writeRequest(writer, this.#family, request, flags, sequence)
    return dump(this.#socket, query, message => read(attributesOf(message)))
  }

  /** What a command gives, read; undefined if it gives nothing. */
  get<T>(request: GenericRequest, read: (attributes: Attributes) => T | undefined): Promise<T | undefined> {
    const query: Query = (writer, flags, sequence) => writeRequest(writer, this.#family, request, flags, sequence)
    return get(this.#socket, query, message => read(attributesOf(message)), [])
  }

  /** Sends each in order, with an outcome for each. One failing does not stop the rest. */
  send(requests: readonly GenericRequest[]): Promise<readonly Outcome[]> {
    return sendBatch(this.#socket, requests, (writer, request, sequence) =>
      writeRequest(writer, this.#family, request, flag.request | flag.ack, sequence),
    )
  }

  close(): Promise<void> {
    return this.#socket.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** One message: the header of netlink, that of generic netlink, and what `body` writes. */
export function writeRequest(
  writer: MessageWriter,
  family: GenericFamily,
  { command, body }: GenericRequest,
  flags: number,
  sequence: number,
): void {
  writer.begin(family.id, flags, sequence)
  writer.u8(command)
  writer.u8(family.version)
  writer.u16(0)
  body?.(writer)
  writer.end()
}

/** CTRL_CMD_GETFAMILY. The kernel looks for a module that says it is this family, where none has registered it. */
export function familyQuery(name: string): Query {
  const body = (writer: MessageWriter): void => writer.attributeText(attribute.name, name)
  return (writer, flags, sequence) =>
    writeRequest(writer, control, { command: control.getFamily, body }, flags, sequence)
}

export function readFamily(message: Message): GenericFamily | undefined {
  const attributes = attributesOf(message)
  let [id, version] = [0, 1]
  while (attributes.next()) {
    if (attributes.type === attribute.id) id = attributes.u16()
    if (attributes.type === attribute.version) version = attributes.u32()
  }
  return id === 0 ? undefined : { id, version }
}

function attributesOf(message: Message): Attributes {
  return new Attributes(message, message.from + genericHeader, message.to)
}

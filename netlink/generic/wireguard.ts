// WireGuard devices (linux/wireguard.h, family `wireguard`): their key, their port and their peers. The link itself is rtnetlink's.
//
// A list of peers, or of a peer's allowed addresses, may be longer than an attribute (64 KiB): it is cut into several messages.

import { Buffer } from 'node:buffer'
import { InvalidRequest } from '../core/batch.ts'
import { NetlinkError } from '../core/errno.ts'
import type { Attributes } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { OpenOptions } from '../route/rtnetlink.ts'
import { addressOf, addressText, AF_INET, AF_INET6, prefixOf, whole } from '../route/values.ts'
import type { Result } from '../types.ts'
import { type GenericRequest, GenericSocket } from './generic.ts'
import type {
  Wireguard,
  WireguardChange,
  WireguardDevice,
  WireguardEndpoint,
  WireguardPeer,
  WireguardPeerChange,
} from './wireguard-types.ts'

const family = 'wireguard'

/** WG_CMD_…, WGDEVICE_A_…, WGPEER_A_…, WGPEER_F_…, WGALLOWEDIP_A_… */
const command = { get: 0, set: 1 } as const
const device = { name: 2, privateKey: 3, publicKey: 4, port: 6, peers: 8 } as const
const peer = {
  publicKey: 1,
  flags: 3,
  endpoint: 4,
  keepalive: 5,
  lastHandshake: 6,
  received: 7,
  sent: 8,
  allowedIps: 9,
} as const
const removeMe = 1
const allowed = { family: 1, address: 2, length: 3 } as const

const keyLength = 32
/** Allowed addresses in one message, of all peers together, and peers. Each takes 48 octets at most, a peer 120. */
const perMessage = 400

/**
 * Opens WireGuard in a network namespace; see `open` for the socket's life.
 * @throws NoGenericFamily if the kernel has no WireGuard; NetlinkError if the namespace may not be entered
 */
export async function openWireguard(options: OpenOptions = {}): Promise<Wireguard> {
  const socket = await GenericSocket.open(family, options)
  const close = (): Promise<void> => socket.close()
  return {
    device: name => readDevice(socket, name),
    set: change => send(socket, change),
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function send(socket: GenericSocket, change: WireguardChange): Promise<Result> {
  for (const request of setRequests(change)) {
    const [result] = await socket.send([request])
    if (!result.ok) return result
  }
  return { ok: true }
}

async function readDevice(socket: GenericSocket, name: string): Promise<WireguardDevice | undefined> {
  try {
    return deviceOf(await socket.dump(getRequest(name), readPart))
  } catch (error) {
    if (error instanceof NetlinkError && absent.has(error.code)) return undefined
    throw error
  }
}

/** No such link; one of another kind. */
const absent: ReadonlySet<string> = new Set(['ENODEV', 'EOPNOTSUPP'])

// ---- writing ---------------------------------------------------------------------------------------------------

export function getRequest(name: string): GenericRequest {
  return { command: command.get, body: writer => writer.attributeText(device.name, name) }
}

/** One change as messages, each of which the kernel takes as a whole. */
export function setRequests(change: WireguardChange): readonly GenericRequest[] {
  const { device: name, privateKey, port } = change
  const parts = partsOf(change.peers ?? [])
  return (parts.length > 0 ? parts : [[]]).map((peers, i) => ({
    command: command.set,
    body: writer => {
      writer.attributeText(device.name, name)
      if (i === 0 && privateKey) writer.attribute(device.privateKey, keyOf(privateKey, `device "${name}": private key`))
      if (i === 0 && port !== undefined)
        writer.attribute(device.port, nativeU16(whole(port, 0, 65535, `device "${name}": port`)))
      if (peers.length > 0) writePeers(writer, name, peers)
    },
  }))
}

/** Cuts lists so that none is too long for its message. */
function partsOf(peers: readonly WireguardPeerChange[]): readonly (readonly WireguardPeerChange[])[] {
  const parts: WireguardPeerChange[][] = []
  let room = 0
  const put = (change: WireguardPeerChange): void => {
    const last = room > 0 ? parts.at(-1) : undefined
    if (last) last.push(change)
    else parts.push([change])
    room = (last ? room : perMessage) - 1 - (change.allowedIps?.length ?? 0)
  }
  for (const change of peers) {
    const { allowedIps = [] } = change
    const first = allowedIps.slice(0, Math.max(0, room > 1 ? room - 1 : perMessage - 1))
    put({ ...change, ...(first.length > 0 && { allowedIps: first }) })
    for (let at = first.length; at < allowedIps.length; at += perMessage - 1)
      put({ publicKey: change.publicKey, allowedIps: allowedIps.slice(at, at + perMessage - 1) })
  }
  return parts
}

function writePeers(writer: MessageWriter, name: string, peers: readonly WireguardPeerChange[]): void {
  const list = writer.beginNest(device.peers)
  for (const { publicKey, remove = false, endpoint, keepalive, allowedIps = [] } of peers) {
    const what = `device "${name}": peer ${publicKey}`
    const at = writer.beginNest(0)
    writer.attribute(peer.publicKey, keyOf(Buffer.from(publicKey, 'base64'), what))
    if (remove) writer.attributeU32(peer.flags, removeMe)
    if (endpoint) writer.attribute(peer.endpoint, socketAddress(endpoint, what))
    if (keepalive !== undefined)
      writer.attribute(peer.keepalive, nativeU16(whole(keepalive, 0, 65535, `${what}: keepalive`)))
    if (allowedIps.length > 0) {
      const prefixes = writer.beginNest(peer.allowedIps)
      for (const text of allowedIps) writeAllowed(writer, text, what)
      writer.endNest(prefixes)
    }
    writer.endNest(at)
  }
  writer.endNest(list)
}

function writeAllowed(writer: MessageWriter, text: string, what: string): void {
  const prefix = prefixOf(text, `${what}: allowed address`)
  const at = writer.beginNest(0)
  writer.attribute(allowed.family, nativeU16(prefix.family === 4 ? AF_INET : AF_INET6))
  writer.attribute(allowed.address, prefix.octets)
  writer.attributeU8(allowed.length, prefix.length)
  writer.endNest(at)
}

function keyOf(octets: Uint8Array, what: string): Uint8Array {
  if (octets.length !== keyLength)
    throw new InvalidRequest(`${what}: a key has ${keyLength} octets, not ${octets.length}`)
  return octets
}

/** struct sockaddr_in, struct sockaddr_in6: family, port in network order; IPv6: flow, address, scope. */
function socketAddress({ address: text, port }: WireguardEndpoint, what: string): Uint8Array {
  const address = addressOf(text, `${what}: endpoint`)
  whole(port, 1, 65535, `${what}: port`)
  const octets = new Uint8Array(address.family === 4 ? 16 : 28)
  octets.set(nativeU16(address.family === 4 ? AF_INET : AF_INET6))
  octets.set([port >> 8, port & 255], 2)
  octets.set(address.octets, address.family === 4 ? 4 : 8)
  return octets
}

function nativeU16(value: number): Uint8Array {
  return new Uint8Array(Uint16Array.of(value).buffer)
}

// ---- reading ---------------------------------------------------------------------------------------------------

/** One message of the dump: peers, or the allowed addresses of one, may go on in the next. */
export function readPart(attributes: Attributes): WireguardDevice {
  let [name, port] = ['', 0]
  let publicKey: string | undefined
  const peers: WireguardPeer[] = []
  while (attributes.next()) {
    if (attributes.type === device.name) name = attributes.text()
    else if (attributes.type === device.publicKey) publicKey = base64(attributes.octets())
    else if (attributes.type === device.port) port = attributes.u16()
    else if (attributes.type === device.peers) {
      const each = attributes.nested()
      while (each.next()) peers.push(readPeer(each.nested()))
    }
  }
  return { name, ...(publicKey !== undefined && { publicKey }), port, peers }
}

/** The device out of the messages of its dump. */
export function deviceOf(parts: readonly WireguardDevice[]): WireguardDevice | undefined {
  const [first] = parts
  const peers = new Map<string, WireguardPeer>()
  for (const part of parts)
    for (const found of part.peers) {
      const before = peers.get(found.publicKey)
      peers.set(
        found.publicKey,
        before ? { ...before, allowedIps: [...before.allowedIps, ...found.allowedIps] } : found,
      )
    }
  return first && { ...first, peers: [...peers.values()] }
}

function readPeer(attributes: Attributes): WireguardPeer {
  let [publicKey, keepalive, lastHandshake, received, sent] = ['', 0, 0, 0, 0]
  let endpoint: WireguardEndpoint | undefined
  const allowedIps: string[] = []
  while (attributes.next()) {
    if (attributes.type === peer.publicKey) publicKey = base64(attributes.octets())
    else if (attributes.type === peer.endpoint) endpoint = readEndpoint(attributes.octets())
    else if (attributes.type === peer.keepalive) keepalive = attributes.u16()
    else if (attributes.type === peer.lastHandshake) {
      const [seconds, nanoseconds] = nativeU64(attributes.octets())
      lastHandshake = seconds * 1000 + Math.floor(nanoseconds / 1_000_000)
    } else if (attributes.type === peer.received) received = nativeU64(attributes.octets())[0]
    else if (attributes.type === peer.sent) sent = nativeU64(attributes.octets())[0]
    else if (attributes.type === peer.allowedIps) {
      const each = attributes.nested()
      while (each.next()) allowedIps.push(readAllowed(each.nested()))
    }
  }
  return {
    publicKey,
    ...(endpoint && { endpoint }),
    keepalive,
    allowedIps,
    ...(lastHandshake !== 0 && { lastHandshake }),
    received,
    sent,
  }
}

function readAllowed(attributes: Attributes): string {
  let [address, length] = ['', 0]
  while (attributes.next()) {
    if (attributes.type === allowed.address) address = addressText(attributes.octets())
    else if (attributes.type === allowed.length) length = attributes.u8()
  }
  return `${address}/${length}`
}

function readEndpoint(octets: Uint8Array): WireguardEndpoint {
  const isFour = octets.length < 28
  return {
    address: addressText(isFour ? octets.subarray(4, 8) : octets.subarray(8, 24)),
    port: (octets[2] << 8) | octets[3],
  }
}

function base64(octets: Uint8Array): string {
  return Buffer.from(octets).toString('base64')
}

/** As many as there are; counters lose no digit below 2^53. */
function nativeU64(octets: Uint8Array): number[] {
  return Array.from(new BigUint64Array(octets.slice().buffer), Number)
}

// Neighbours, ARP and NDP (linux/neighbour.h): struct ndmsg and its attributes.

import { InvalidRequest } from '../core/batch.ts'
import { littleEndian } from '../core/protocol.ts'
import { Attributes, type Message } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { IpFamily, Neighbour } from '../types.ts'
import {
  addressOf,
  addressText,
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  afOf,
  linkIndex,
  linkLayerOctets,
  macText,
} from './values.ts'

/** NDA_… */
const attribute = { dst: 1, mac: 2 } as const
const NTF_PROXY = 0x08
const NTF_ROUTER = 0x80

const bodyLength = 12

/** NUD_… */
const states: Readonly<Record<Neighbour['state'], number>> = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
}
const stateNames = new Map(Object.entries(states).map(([name, value]) => [value, name as Neighbour['state']]))

/** RTM_NEWNEIGH, RTM_DELNEIGH. struct ndmsg: family u8, pad 3, link i32, state u16, flags u8, type u8. */
export function writeNeighbour(writer: MessageWriter, neighbour: Neighbour): void {
  const address = addressOf(neighbour.address, 'neighbour')
  const state = states[neighbour.state]
  if (state === undefined)
    throw new InvalidRequest(
      `neighbour "${neighbour.address}": state "${neighbour.state}" is none of ${Object.keys(states).join(', ')}`,
    )
  writeHeader(writer, afOf(address.family), linkIndex(neighbour.link), state, flagsOf(neighbour))
  writer.attribute(attribute.dst, address.octets)
  if (neighbour.mac !== undefined) writer.attribute(attribute.mac, linkLayerOctets(neighbour.mac))
}

function flagsOf({ proxy, router }: Pick<Neighbour, 'proxy' | 'router'>): number {
  return (proxy ? NTF_PROXY : 0) | (router ? NTF_ROUTER : 0)
}

/** RTM_GETNEIGH: the learned and permanent ones, or those answered for (proxy): the kernel lists them apart. */
export function writeNeighbourQuery(writer: MessageWriter, family: IpFamily | undefined, proxy: boolean): void {
  writeHeader(writer, family === undefined ? AF_UNSPEC : afOf(family), 0, 0, flagsOf({ proxy }))
}

function writeHeader(writer: MessageWriter, family: number, link: number, state: number, flags: number): void {
  writer.u8(family)
  writer.u8(0)
  writer.u16(0)
  writer.u32(link)
  writer.u16(state)
  writer.u8(flags)
  writer.u8(0)
}

/** RTM_NEWNEIGH or RTM_DELNEIGH; undefined for families other than IP (a bridge's forwarding table has the same form). */
export function readNeighbour(message: Message): Neighbour | undefined {
  const { view, from, to } = message
  if (to - from < bodyLength) return undefined
  const family = view.getUint8(from)
  if (family !== AF_INET && family !== AF_INET6) return undefined
  let address: string | undefined
  let mac: string | undefined
  const a = new Attributes(message, from + bodyLength, to)
  while (a.next()) {
    if (a.type === attribute.dst) address = addressText(a.octets())
    else if (a.type === attribute.mac) mac = macText(a.octets())
  }
  if (address === undefined) return undefined
  return {
    link: view.getUint32(from + 4, littleEndian),
    address,
    ...(mac !== undefined && { mac }),
    state: stateNames.get(view.getUint16(from + 8, littleEndian)) ?? 'none',
    ...(view.getUint8(from + 10) & NTF_PROXY && { proxy: true }),
    ...(view.getUint8(from + 10) & NTF_ROUTER && { router: true }),
  }
}

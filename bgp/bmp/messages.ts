// BMP messages (RFC 7854 §4), with Adj-RIB-Out (RFC 8671) and Loc-RIB (RFC 9069). Each function writes one whole message.

import type { OctetWriter } from '../octet-writer.ts'
import type { Ending } from '../session/tap.ts'

const VERSION = 3

/** §4.1. */
const types = {
  routeMonitoring: 0,
  statistics: 1,
  peerDown: 2,
  peerUp: 3,
  initiation: 4,
  termination: 5,
  routeMirroring: 6,
} as const

/** Peer types: §4.2, RFC 9069 §4.1. */
const GLOBAL_INSTANCE = 0
const LOC_RIB = 3

/** Peer flags: §4.2, RFC 8671 §4. */
const IS_IPV6 = 0x80
const POST_POLICY = 0x40
const TWO_OCTET_AS = 0x20
const ADJ_RIB_OUT = 0x10

/** Which table a message is about. `loc` belongs to no peer. */
export type View = 'pre' | 'post' | 'out' | 'loc'

const viewFlags: { readonly [V in View]: number } = {
  pre: 0,
  post: POST_POLICY,
  out: ADJ_RIB_OUT | POST_POLICY,
  loc: 0,
}

/** Whom a message is about: a peer, or with view `loc` this speaker. */
export interface BmpPeer {
  /** 4 or 16 octets; none for ourselves. */
  readonly address: Uint8Array
  readonly asn: number
  /** As an unsigned number. */
  readonly routerId: number
}

/** `time`: milliseconds since 1970, of what is told; 0 = not known. */
export interface About {
  readonly peer: BmpPeer
  readonly view: View
  readonly time: number
  /** AS paths in it have 2-octet numbers. */
  readonly twoOctetAs?: boolean
}

/** TLVs of Initiation and Termination (§4.4, §4.5). */
const SYS_DESCR = 1
const SYS_NAME = 2
const REASON = 1

/** §4.5. */
export const terminations = { administrative: 0, outOfResources: 2 } as const

function message(out: OctetWriter, type: keyof typeof types, body: () => void): void {
  const start = out.length
  out.u8(VERSION).u32(0).u8(types[type])
  body()
  out.patch32(start + 1, out.length - start)
}

function tlv(out: OctetWriter, type: number, value: Uint8Array): void {
  out.u16(type).u16(value.length).bytes(value)
}

/** The per-peer header (§4.2). */
function header(out: OctetWriter, { peer, view, time, twoOctetAs }: About): void {
  const { address, asn, routerId } = peer
  const flags = viewFlags[view] | (address.length === 16 ? IS_IPV6 : 0) | (twoOctetAs ? TWO_OCTET_AS : 0)
  out
    .u8(view === 'loc' ? LOC_RIB : GLOBAL_INSTANCE)
    .u8(flags)
    .zeros(8) // peer distinguisher
  putAddress(out, address)
  out
    .u32(asn)
    .u32(routerId)
    .u32(Math.floor(time / 1000))
    .u32(Math.floor((time % 1000) * 1000))
}

/** 16 octets; an IPv4 address stands in the last four. */
function putAddress(out: OctetWriter, address: Uint8Array): void {
  out.zeros(16 - address.length).bytes(address)
}

/** §4.3: the first message. */
export function initiation(out: OctetWriter, sysName: string, sysDescr: string): void {
  const text = new TextEncoder()
  message(out, 'initiation', () => {
    tlv(out, SYS_DESCR, text.encode(sysDescr))
    tlv(out, SYS_NAME, text.encode(sysName))
  })
}

/** §4.5: the last one. */
export function termination(out: OctetWriter, reason: number): void {
  message(out, 'termination', () => tlv(out, REASON, Uint8Array.of(reason >> 8, reason)))
}

/** §4.10. The OPEN messages are whole; those of the Loc-RIB are made up (RFC 9069 §4.4). Its table has no name of its own. */
export function peerUp(
  out: OctetWriter,
  about: About,
  ends: {
    readonly local: Uint8Array
    readonly localPort: number
    readonly remotePort: number
    readonly openSent: Uint8Array
    readonly openReceived: Uint8Array
  },
): void {
  message(out, 'peerUp', () => {
    header(out, about)
    putAddress(out, ends.local)
    out.u16(ends.localPort).u16(ends.remotePort).bytes(ends.openSent).bytes(ends.openReceived)
  })
}

/** §4.9. */
export function peerDown(out: OctetWriter, about: About, ending: Ending): void {
  message(out, 'peerDown', () => {
    header(out, about)
    if ('message' in ending) out.u8(ending.by === 'us' ? 1 : 3).bytes(ending.message)
    else if ('event' in ending) out.u8(2).u16(ending.event)
    else out.u8(4)
  })
}

/** §4.6: one whole UPDATE. */
export function routeMonitoring(out: OctetWriter, about: About, update: Uint8Array): void {
  message(out, 'routeMonitoring', () => {
    header(out, about)
    out.bytes(update)
  })
}

/** §4.7: one whole message, word for word. */
export function routeMirroring(out: OctetWriter, about: About, copied: Uint8Array): void {
  message(out, 'routeMirroring', () => {
    header(out, about)
    tlv(out, 0, copied)
  })
}

/** A gauge for a whole table, or for one family of it; or a counter of 32 bits. */
export type Statistic =
  | { readonly type: number; readonly gauge: number; readonly afi?: number }
  | { readonly type: number; readonly counter: number }

/** §4.8 and the registry: which number stands for what. */
export const statistics = {
  adjRibIn: 7,
  locRib: 8,
  adjRibInOf: 9,
  locRibOf: 10,
  treatedAsWithdraw: 11,
  /** RFC 8671 §6.2. */
  adjRibOut: 15,
  adjRibOutOf: 17,
} as const

/** §4.8. */
export function statisticsReport(out: OctetWriter, about: About, list: readonly Statistic[]): void {
  message(out, 'statistics', () => {
    header(out, about)
    out.u32(list.length)
    for (const one of list) {
      out.u16(one.type)
      if ('counter' in one) out.u16(4).u32(one.counter)
      else if (one.afi === undefined) out.u16(8).u64(one.gauge)
      else out.u16(11).u16(one.afi).u8(1).u64(one.gauge) // SAFI 1: unicast
    }
  })
}

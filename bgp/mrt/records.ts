// MRT records (RFC 6396, RFC 8050): the common header, TABLE_DUMP_V2 (§4.3) and BGP4MP_ET (§4.4, §3). Written one after the other.

import type { OctetWriter } from '../octet-writer.ts'
import { addressOctets, withNextHop, withNextHopAlone } from '../route-octets.ts'
import type { TappedConnection } from '../session/tap.ts'
import type { Family, State } from '../types.ts'

const TABLE_DUMP_V2 = 13
const BGP4MP_ET = 17

const PEER_INDEX_TABLE = 1
const ribSubtypes: { readonly [F in Family]: number } = { 'ipv4-unicast': 2, 'ipv6-unicast': 4 }
/** RFC 8050 §4: each entry has a path identifier. */
const pathSubtypes: { readonly [F in Family]: number } = { 'ipv4-unicast': 8, 'ipv6-unicast': 10 }

/** §4.4, and RFC 8050 §3 where NLRI have path identifiers; a message that we sent has the subtype that ends in LOCAL. */
const messageSubtypes = {
  received: { plain: 1, as4: 4, addPath: 8, as4AddPath: 9 },
  sent: { plain: 6, as4: 7, addPath: 10, as4AddPath: 11 },
} as const
const STATE_CHANGE_AS4 = 5

/** §4.4.1. */
const states: { readonly [S in State]: number } = {
  Idle: 1,
  Connect: 2,
  Active: 3,
  OpenSent: 4,
  OpenConfirm: 5,
  Established: 6,
}

/** Who routes come from, as a row of PEER_INDEX_TABLE. */
export interface IndexedPeer {
  readonly asn: number
  /** As an unsigned number; 0 if it is not known. */
  readonly routerId: number
  /** 4 or 16 octets. */
  readonly address: Uint8Array
}

export interface RibEntry {
  /** Place in the peer index. */
  readonly peer: number
  readonly pathId: number | undefined
  /** Seconds since 1970. */
  readonly originated: number
  readonly attributes: Uint8Array
  readonly nextHop: Uint8Array
}

/** Writes a record: the header, what `body` writes, and then its length. `time`: milliseconds since 1970. */
function record(out: OctetWriter, time: number, type: number, subtype: number, body: () => void): void {
  out
    .u32(Math.floor(time / 1000))
    .u16(type)
    .u16(subtype)
  const at = out.length
  out.u32(0)
  body()
  out.patch32(at, out.length - at - 4)
}

/** §4.3.1. */
export function peerIndexTable(
  out: OctetWriter,
  time: number,
  {
    routerId,
    view,
    peers,
  }: { readonly routerId: number; readonly view: string; readonly peers: readonly IndexedPeer[] },
): void {
  const name = new TextEncoder().encode(view)
  record(out, time, TABLE_DUMP_V2, PEER_INDEX_TABLE, () => {
    out.u32(routerId).u16(name.length).bytes(name).u16(peers.length)
    // Bit 0: the address is of IPv6; bit 1: the AS number has 4 octets.
    for (const { asn, routerId, address } of peers) {
      out
        .u8(address.length === 16 ? 3 : 2)
        .u32(routerId)
        .bytes(address)
        .u32(asn)
    }
  })
}

/** §4.3.2: every path to one prefix; all of them have path identifiers or none has. AS paths have 4-octet numbers (§4.3.4). */
export function ribRecord(
  out: OctetWriter,
  time: number,
  {
    family,
    sequence,
    nlri,
    entries,
  }: {
    readonly family: Family
    readonly sequence: number
    readonly nlri: Uint8Array
    readonly entries: readonly RibEntry[]
  },
): void {
  const subtypes = entries[0]?.pathId === undefined ? ribSubtypes : pathSubtypes
  record(out, time, TABLE_DUMP_V2, subtypes[family], () => {
    out.u32(sequence).bytes(nlri).u16(entries.length)
    for (const { peer, originated, pathId, attributes, nextHop } of entries) {
      const isClassic = family === 'ipv4-unicast' && nextHop.length <= 4
      const hop = nextHop.length > 0 ? nextHop : new Uint8Array(family === 'ipv4-unicast' ? 4 : 16)
      const whole = isClassic ? withNextHop(attributes, hop) : withNextHopAlone(attributes, hop)
      out.u16(peer).u32(originated)
      if (pathId !== undefined) out.u32(pathId)
      out.u16(whole.length).bytes(whole)
    }
  })
}

/** §4.4.2, §4.4.3 and, for what we sent, §4.4.5: one whole BGP message. */
export function messageRecord(
  out: OctetWriter,
  time: number,
  connection: TappedConnection,
  way: 'received' | 'sent',
  message: Uint8Array,
): void {
  const wide = connection.fourOctetAs
  const withIds = way === 'received' ? connection.pathIdsReceived : connection.pathIdsSent
  const subtypes = messageSubtypes[way]
  const subtype = withIds ? (wide ? subtypes.as4AddPath : subtypes.addPath) : wide ? subtypes.as4 : subtypes.plain
  record(out, time, BGP4MP_ET, subtype, () => {
    ends(out, time, connection, wide)
    out.bytes(message)
  })
}

/** §4.4.4. */
export function stateRecord(
  out: OctetWriter,
  time: number,
  connection: TappedConnection,
  from: State,
  to: State,
): void {
  record(out, time, BGP4MP_ET, STATE_CHANGE_AS4, () => {
    ends(out, time, connection, true)
    out.u16(states[from]).u16(states[to])
  })
}

/** Microseconds (§3), then who talks to whom: AS numbers and addresses of the peer and of us. */
function ends(out: OctetWriter, time: number, connection: TappedConnection, wide: boolean): void {
  const { remoteAs, localAs, remote, local } = connection
  out.u32(Math.floor((time % 1000) * 1000))
  if (wide) out.u32(remoteAs).u32(localAs)
  else out.u16(narrow(remoteAs)).u16(narrow(localAs))
  const theirs = addressOctets(remote)
  const ours = addressOctets(local)
  out
    .u16(0) // interface index
    .u16(theirs.length === 16 ? 2 : 1)
    .bytes(theirs)
    .bytes(ours.length === theirs.length ? ours : new Uint8Array(theirs.length))
}

/** AS_TRANS where the number does not fit (RFC 6793 §9). */
function narrow(asn: number): number {
  return asn > 65535 ? 23456 : asn
}

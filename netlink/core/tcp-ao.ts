// The records of TCP-AO's socket options (linux/tcp.h since 6.7; RFC 5925), packed and read: offsets, flags, names. Which key
// goes where is decided elsewhere.
//
//   tcp_ao_add          addr 0, alg_name 128, ifindex 192, flags 196, reserved 200, prefix 202, sndid 203, rcvid 204,
//                       maclen 205, keyflags 206, keylen 207, key 208; 288 octets
//   tcp_ao_del          addr 0, ifindex 128, flags 132, reserved 136, prefix 138, sndid 139, rcvid 140, current_key 141,
//                       rnext 142, keyflags 143; 144 octets
//   tcp_ao_info_opt     flags 0, reserved 4, current_key 6, rnext 7, five counters of 8 octets; 48 octets
//   tcp_ao_getsockopt   addr 0, alg_name 128, key 192, nkeys 272, flags 276, sndid 278, rcvid 279, prefix 280, maclen 281,
//                       keyflags 282, keylen 283, ifindex 284, two counters of 8 octets; 304 octets
//
// `addr` is a sockaddr_storage of 128 octets. On a socket of IPv6 an IPv4 address stands in it as ::ffff:a.b.c.d, with the
// prefix length of IPv4.

import { endianness } from 'node:os'
import { addressFrom, formatAddress, type Prefix } from '../../inet/index.ts'

/** The code over each segment: HMAC-SHA-1-96 and AES-128-CMAC-96 of RFC 5926, and HMAC-SHA-256, which kernels have too. */
export type TcpAoAlgorithm = 'hmac-sha1' | 'aes-128-cmac' | 'hmac-sha256'

/** What a key is known by in segments: SendID and RecvID, 0–255 each (RFC 5925 §3.1). The other end has them the other way round. */
export interface TcpAoIds {
  readonly sendId: number
  readonly receiveId: number
}

/** A master key tuple. */
export interface TcpAoKey extends TcpAoIds {
  readonly algorithm: TcpAoAlgorithm
  /** 1 to 80 octets. */
  readonly secret: string
  /** Octets of the code in each segment, 1 to 16. Default 12. */
  readonly maclen?: number
}

/** A key that a socket has. */
export interface TcpAoInUse extends TcpAoIds {
  /** The addresses that it is for, as a prefix. */
  readonly remote: string
  /** We send with it (Current_key). */
  readonly sends: boolean
  /** The peer is asked to send with it (RNext_key). */
  readonly requested: boolean
}

/** linux/tcp.h */
export const TCP_AO_ADD_KEY = 38
export const TCP_AO_DEL_KEY = 39
export const TCP_AO_INFO = 40
export const TCP_AO_GET_KEYS = 41

export const INFO_OCTETS = 48
export const KEY_OCTETS = 304
const ADD_OCTETS = 288
const DELETE_OCTETS = 144

/** TCP_AO_MAXKEYLEN */
export const MOST_SECRET_OCTETS = 80

/** As the kernel's crypto API names them; `cmac(aes128)` is AES-128-CMAC with the key derivation of RFC 5926 §3.1.1.2. */
const names: Readonly<Record<TcpAoAlgorithm, string>> = {
  'hmac-sha1': 'hmac(sha1)',
  'aes-128-cmac': 'cmac(aes128)',
  'hmac-sha256': 'hmac(sha256)',
}

const AF_INET = 2
const AF_INET6 = 10
const LITTLE = endianness() === 'LE'

/** A bit field's n-th flag, which compilers count from the end where the lowest octet comes first. */
const flag = (n: number, bits: 16 | 32) => 2 ** (LITTLE ? n : bits - 1 - n)
const SET_CURRENT = flag(0, 32)
const SET_NEXT = flag(1, 32)
const IS_CURRENT = flag(0, 16)
const IS_NEXT = flag(1, 16)
const GET_ALL = flag(2, 16)

/** tcp_ao_add. `use`: send with it, and ask the peer to; not on a listener. */
export function addRecord(place: Prefix, key: TcpAoKey, six: boolean, use: boolean): Uint8Array {
  const record = new Uint8Array(ADD_OCTETS)
  const view = new DataView(record.buffer)
  const secret = new TextEncoder().encode(key.secret)
  putAddress(record, place, six)
  record.set(new TextEncoder().encode(names[key.algorithm]), 128)
  view.setUint32(196, use ? SET_CURRENT + SET_NEXT : 0, LITTLE)
  record.set([place.length, key.sendId, key.receiveId, key.maclen ?? 0, 0, secret.length], 202)
  record.set(secret.subarray(0, MOST_SECRET_OCTETS), 208)
  secret.fill(0)
  return record
}

/** tcp_ao_del. `instead`: the key to send with, and to ask the peer for, if it is the one that goes. */
export function deleteRecord(place: Prefix, key: TcpAoIds, six: boolean, instead: TcpAoIds | undefined): Uint8Array {
  const record = new Uint8Array(DELETE_OCTETS)
  putAddress(record, place, six)
  new DataView(record.buffer).setUint32(132, instead ? SET_CURRENT + SET_NEXT : 0, LITTLE)
  record.set([place.length, key.sendId, key.receiveId, instead?.sendId ?? 0, instead?.receiveId ?? 0], 138)
  return record
}

/** tcp_ao_info_opt: asks the peer to send with the key that has this id here (RNextKeyID, RFC 5925 §2.2). */
export function requestRecord(receiveId: number): Uint8Array {
  const record = new Uint8Array(INFO_OCTETS)
  new DataView(record.buffer).setUint32(0, SET_NEXT, LITTLE)
  record[7] = receiveId
  return record
}

/** Room for that many tcp_ao_getsockopt, the first of which asks for all keys. */
export function keysRequest(room: number): Uint8Array {
  const records = new Uint8Array(KEY_OCTETS * room)
  const view = new DataView(records.buffer)
  view.setUint32(272, room, LITTLE)
  view.setUint16(276, GET_ALL, LITTLE)
  return records
}

/** How many keys there are, and those of them that had room. */
export function readKeys(records: Uint8Array): { readonly count: number; readonly keys: readonly TcpAoInUse[] } {
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  const count = view.getUint32(272, LITTLE)
  const there = Math.min(count, records.length / KEY_OCTETS)
  const keys = Array.from({ length: there }, (_, i) => {
    const at = i * KEY_OCTETS
    const flags = view.getUint16(at + 276, LITTLE)
    return {
      remote: `${readAddress(view, at)}/${view.getUint8(at + 280)}`,
      sendId: view.getUint8(at + 278),
      receiveId: view.getUint8(at + 279),
      sends: (flags & IS_CURRENT) !== 0,
      requested: (flags & IS_NEXT) !== 0,
    }
  })
  return { count, keys }
}

function putAddress(record: Uint8Array, { family, octets }: Prefix, six: boolean): void {
  new DataView(record.buffer).setUint16(0, six ? AF_INET6 : AF_INET, LITTLE)
  if (!six) record.set(octets, 4)
  else if (family === 6) record.set(octets, 8)
  else record.set([255, 255, ...octets], 18)
}

function readAddress(view: DataView, at: number): string {
  const six = view.getUint16(at, LITTLE) === AF_INET6
  const octets = new Uint8Array(view.buffer, view.byteOffset + at + (six ? 8 : 4), six ? 16 : 4)
  const mapped = six && octets.subarray(0, 10).every(octet => octet === 0) && octets[10] === 255 && octets[11] === 255
  return formatAddress(addressFrom(mapped ? octets.subarray(12) : octets))
}

/** What an errno says when it is the answer to a key; undefined if nothing more than elsewhere. */
export function keyErrorText(code: string, { algorithm, maclen = 12 }: TcpAoKey): string | undefined {
  const texts: Readonly<Record<string, string>> = {
    ENOPROTOOPT: 'this kernel has no TCP-AO',
    ENOENT: `this kernel has no ${algorithm} for TCP-AO`,
    EMSGSIZE: `a code of ${maclen} octets does not fit beside the other options of TCP`,
    EEXIST: 'another key for the address has one of its ids',
    EISCONN: 'the connection was made without TCP-AO',
    EKEYREJECTED: 'the address has a key of TCP-MD5',
  }
  return texts[code]
}

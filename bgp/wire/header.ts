// Message framing (RFC 4271 §4.1): sixteen octets of ones, length, type.

import { type Fault, fault } from './verdict.ts'

export const HEADER_LENGTH = 19
/** RFC 4271 §4.1; of OPEN and KEEPALIVE always (RFC 8654 §4). */
export const MAX_MESSAGE = 4096
/** Where extended messages were negotiated (RFC 8654 §4). */
export const MAX_EXTENDED = 65535

export const OPEN = 1
export const UPDATE = 2
export const NOTIFICATION = 3
export const KEEPALIVE = 4
/** RFC 2918. */
export const ROUTE_REFRESH = 5

/** Smallest whole message by type (RFC 4271 §6.1); of ROUTE-REFRESH its reader knows (RFC 7313 §5). */
const shortest = [0, 29, 23, 21, 19, 19]

/** The length that the header at `at` claims; needs 18 octets there. */
export function messageLength(octets: Uint8Array, at: number): number {
  return (octets[at + 16] << 8) | octets[at + 17]
}

/**
 * What is wrong with the header at `at`, of which all 19 octets are there (RFC 4271 §6.1); undefined if nothing.
 * `longest`: the longest message that may come on this connection (RFC 8654 §5).
 */
export function checkHeader(octets: Uint8Array, at: number, longest: number): Fault | undefined {
  for (let i = 0; i < 16; i++) {
    if (octets[at + i] !== 255) return fault(1, 1, 'the message marker is not all ones')
  }
  const length = messageLength(octets, at)
  const type = octets[at + 18]
  if (type === 0 || type >= shortest.length) {
    return fault(1, 3, `message type ${type} is not known`, Uint8Array.of(type))
  }
  const most = type === OPEN ? MAX_MESSAGE : longest
  const wrong = length < shortest[type] || length > most || (type === KEEPALIVE && length !== HEADER_LENGTH)
  return wrong
    ? fault(1, 2, `length ${length} is wrong for message type ${type}`, octets.slice(at + 16, at + 18))
    : undefined
}

/** Writes a header at `at`; returns the offset of the body. */
export function putMessageHeader(out: Uint8Array, at: number, type: number, length: number): number {
  out.fill(255, at, at + 16)
  out[at + 16] = length >> 8
  out[at + 17] = length & 255
  out[at + 18] = type
  return at + HEADER_LENGTH
}

/** A whole message of that type around a body. */
export function message(type: number, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(HEADER_LENGTH + body.length)
  out.set(body, putMessageHeader(out, 0, type, out.length))
  return out
}

/** The only KEEPALIVE there is. */
export const keepalive: Uint8Array = message(KEEPALIVE, new Uint8Array(0))

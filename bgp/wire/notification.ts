// NOTIFICATION (RFC 4271 §4.5) and the words for its codes (RFC 4271 §6, RFC 4486, RFC 6608, RFC 8538, RFC 9003, RFC 9384).

import { type Fault, fault } from './verdict.ts'
import { HEADER_LENGTH, MAX_MESSAGE, message, NOTIFICATION } from './header.ts'

interface ErrorCode {
  readonly name: string
  readonly subcodes: Readonly<Record<number, string>>
}

export const errorCodes: Readonly<Record<number, ErrorCode>> = {
  1: {
    name: 'Message Header Error',
    subcodes: { 1: 'Connection Not Synchronized', 2: 'Bad Message Length', 3: 'Bad Message Type' },
  },
  2: {
    name: 'OPEN Message Error',
    subcodes: {
      1: 'Unsupported Version Number',
      2: 'Bad Peer AS',
      3: 'Bad BGP Identifier',
      4: 'Unsupported Optional Parameter',
      6: 'Unacceptable Hold Time',
      7: 'Unsupported Capability',
      11: 'Role Mismatch',
    },
  },
  3: {
    name: 'UPDATE Message Error',
    subcodes: {
      1: 'Malformed Attribute List',
      2: 'Unrecognized Well-known Attribute',
      3: 'Missing Well-known Attribute',
      4: 'Attribute Flags Error',
      5: 'Attribute Length Error',
      6: 'Invalid ORIGIN Attribute',
      8: 'Invalid NEXT_HOP Attribute',
      9: 'Optional Attribute Error',
      10: 'Invalid Network Field',
      11: 'Malformed AS_PATH',
    },
  },
  4: { name: 'Hold Timer Expired', subcodes: {} },
  5: {
    name: 'Finite State Machine Error',
    subcodes: {
      1: 'Unexpected Message in OpenSent State',
      2: 'Unexpected Message in OpenConfirm State',
      3: 'Unexpected Message in Established State',
    },
  },
  6: {
    name: 'Cease',
    subcodes: {
      1: 'Maximum Number of Prefixes Reached',
      2: 'Administrative Shutdown',
      3: 'Peer De-configured',
      4: 'Administrative Reset',
      5: 'Connection Rejected',
      6: 'Other Configuration Change',
      7: 'Connection Collision Resolution',
      8: 'Out of Resources',
      9: 'Hard Reset',
      10: 'BFD Down',
    },
  },
  7: { name: 'ROUTE-REFRESH Message Error', subcodes: { 1: 'Invalid Message Length' } },
  8: { name: 'Send Hold Timer Expired', subcodes: {} },
}

export const CEASE = 6
export const HOLD_TIMER_EXPIRED = 4
/** RFC 9687. */
export const SEND_HOLD_TIMER_EXPIRED = 8
/** Subcodes of Cease (RFC 4486) that we send. */
export const cease = {
  prefixes: 1,
  shutdown: 2,
  deconfigured: 3,
  reset: 4,
  rejected: 5,
  configChange: 6,
  collision: 7,
  resources: 8,
  hardReset: 9,
}

export interface Notification {
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
}

/** Reads the body `octets[from, to)`, at least two octets (the header check sees to it). */
export function decodeNotification(octets: Uint8Array, from: number, to: number): Notification {
  return { code: octets[from], subcode: octets[from + 1], data: octets.slice(from + 2, to) }
}

/** A whole message; data that does not fit into `longest` octets is cut off. */
export function encodeNotification({ code, subcode, data }: Notification, longest = MAX_MESSAGE): Uint8Array {
  const body = new Uint8Array(Math.min(2 + data.length, longest - HEADER_LENGTH))
  body[0] = code
  body[1] = subcode
  body.set(data.subarray(0, body.length - 2), 2)
  return message(NOTIFICATION, body)
}

/** A Cease with the words of RFC 9003 (at most 255 octets of UTF-8) where its subcode carries them. */
export function ceaseFault(subcode: number, why: string): Fault {
  if (subcode !== cease.shutdown && subcode !== cease.reset) return fault(CEASE, subcode, why)
  const words = new TextEncoder().encodeInto(why, new Uint8Array(255))
  const data = new Uint8Array(1 + words.written)
  data[0] = words.written
  new TextEncoder().encodeInto(why, data.subarray(1))
  return fault(CEASE, subcode, why, data)
}

/** A Cease / Hard Reset around the error that is meant: nothing of the session is to be kept (RFC 8538 §3.1). */
export function hardReset({ code, subcode, why, data }: Fault): Fault {
  return fault(CEASE, cease.hardReset, why, Uint8Array.of(code, subcode, ...data))
}

/** What a Hard Reset was sent for; any other NOTIFICATION, and a Hard Reset that does not tell, as it is. */
export function meant(notification: Notification): Notification {
  const { code, subcode, data } = notification
  if (code !== CEASE || subcode !== cease.hardReset || data.length < 2) return notification
  return { code: data[0], subcode: data[1], data: data.subarray(2) }
}

/** `Cease / Administrative Shutdown: "maintenance at 10"`: code, subcode, and what its data say. */
export function notificationText({ code, subcode, data }: Notification): string {
  const detail = errorCodes[code] ? detailText(code, subcode, data) : ''
  return errorText(code, subcode) + (detail && `: ${detail}`)
}

/** `Cease / Administrative Shutdown`. */
export function errorText(code: number, subcode: number): string {
  const known = errorCodes[code]
  if (!known) return `error ${code}/${subcode}`
  const words = subcode === 0 ? '' : (known.subcodes[subcode] ?? `subcode ${subcode}`)
  return known.name + (words && ` / ${words}`)
}

function detailText(code: number, subcode: number, data: Uint8Array): string {
  if (code === CEASE && (subcode === cease.shutdown || subcode === cease.reset)) return shutdownText(data)
  if (code === 2 && subcode === 1 && data.length >= 2) return `it speaks version ${(data[0] << 8) | data[1]}`
  if (code === 2 && subcode === 7 && data.length >= 1) return `capability ${data[0]} is asked for`
  if (code === CEASE && subcode === cease.hardReset && data.length >= 2) {
    const isNested = data[0] === CEASE && data[1] === cease.hardReset
    return isNested ? '' : notificationText({ code: data[0], subcode: data[1], data: data.subarray(2) })
  }
  if (code === CEASE && subcode === 1 && data.length === 7) {
    const limit = ((data[3] << 24) | (data[4] << 16) | (data[5] << 8) | data[6]) >>> 0
    return `limit ${limit} of AFI ${(data[0] << 8) | data[1]}`
  }
  return ''
}

/** RFC 9003 §2: a length octet and UTF-8. Control characters do not reach a terminal; a false length shows nothing. */
function shutdownText(data: Uint8Array): string {
  if (data.length === 0 || data[0] === 0 || data[0] > data.length - 1) return ''
  const text = new TextDecoder().decode(data.subarray(1, 1 + data[0]))
  return `"${text.replace(/\p{Cc}+/gu, ' ')}"`
}

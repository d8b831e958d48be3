// OPEN (RFC 4271 §4.2) with optional parameters in short and extended form (RFC 5492, RFC 9072).
//
// Checks here are those that need no configuration; whether the peer's AS is the right one is the session's to say.

import { type Capability, readCapabilities, writeCapability } from './capabilities.ts'
import { uint32, putUint32 } from './attributes/as-path.ts'
import { message, OPEN } from './header.ts'
import { type Fault, fault } from './verdict.ts'

/** Stands in the 2-octet field for an AS number that does not fit (RFC 6793 §9). */
export const AS_TRANS = 23456

export interface Open {
  /** The AS number: that of the 4-octet capability if there is one, else the 2-octet field. */
  readonly asn: number
  /** Seconds; 0 = no keepalives. */
  readonly holdTime: number
  /** As an unsigned number. */
  readonly routerId: number
  readonly capabilities: readonly Capability[]
}

/** Reads the body `octets[from, to)`, at least ten octets (the header check sees to it). */
export function decodeOpen(octets: Uint8Array, from: number, to: number): Open | { readonly fault: Fault } {
  const version = octets[from]
  if (version !== 4) {
    return { fault: fault(2, 1, `it speaks BGP version ${version}, not 4`, Uint8Array.of(0, 4)) }
  }
  const capabilities = readParameters(octets, from + 9, to)
  if ('fault' in capabilities) return capabilities
  const holdTime = (octets[from + 3] << 8) | octets[from + 4]
  if (holdTime === 1 || holdTime === 2) {
    return { fault: fault(2, 6, `its hold time of ${holdTime} s is below the least of 3 s`) }
  }
  const routerId = uint32(octets, from + 5)
  if (routerId === 0) return { fault: fault(2, 3, 'its BGP identifier is 0.0.0.0') }
  const wide = capabilities.list.find(item => item.kind === 'fourOctetAs')
  const asn = wide ? wide.asn : (octets[from + 1] << 8) | octets[from + 2]
  if (asn === 0) return { fault: fault(2, 2, 'its AS number is 0') } // RFC 7607 §2
  return { asn, holdTime, routerId, capabilities: capabilities.list }
}

type Parameters = { readonly list: readonly Capability[] } | { readonly fault: Fault }

function readParameters(octets: Uint8Array, start: number, to: number): Parameters {
  const bad = (why: string): Parameters => ({ fault: fault(2, 0, why) })
  let at = start + 1
  let width = 1
  let length = octets[start]
  // RFC 9072 §2: type 255 in the place of the first parameter, then a length of two octets.
  if (length !== 0 && at < to && octets[at] === 255) {
    if (at + 3 > to) return bad('its extended optional parameters are cut off')
    width = 2
    length = (octets[at + 1] << 8) | octets[at + 2]
    at += 3
  }
  if (at + length !== to) return bad(`its optional parameters claim ${length} octets but have ${to - at}`)
  const list: Capability[] = []
  while (at < to) {
    if (at + 1 + width > to) return bad('an optional parameter is cut off')
    const type = octets[at]
    const valueAt = at + 1 + width
    const end = valueAt + (width === 2 ? (octets[at + 1] << 8) | octets[at + 2] : octets[at + 1])
    if (end > to) return bad('an optional parameter runs past the end')
    if (type !== 2) return { fault: fault(2, 4, `its optional parameter ${type} is not known`) }
    const some = readCapabilities(octets, valueAt, end)
    if (!some) return bad('a capability runs past the end of its parameter')
    list.push(...some)
    at = end
  }
  return { list }
}

/** A whole OPEN message; one parameter per capability, as old speakers expect, in extended form only if it must be. */
export function encodeOpen({ asn, holdTime, routerId, capabilities }: Open): Uint8Array {
  const list = capabilities.map(writeCapability)
  const short = list.flatMap(octets => [2, octets.length, ...octets])
  const parameters =
    short.length < 255
      ? [short.length, ...short]
      : extended(list.flatMap(octets => [2, octets.length >> 8, octets.length & 255, ...octets]))
  const body = new Uint8Array(9 + parameters.length)
  const field = asn > 65535 ? AS_TRANS : asn
  body.set([4, field >> 8, field & 255, holdTime >> 8, holdTime & 255])
  putUint32(body, 5, routerId)
  body.set(parameters, 9)
  return message(OPEN, body)
}

function extended(parameters: number[]): number[] {
  return [255, 255, parameters.length >> 8, parameters.length & 255, ...parameters]
}

// Network layer reachability information (RFC 4271 §4.3): a length in bits, then the octets it needs; with ADD-PATH a path
// identifier of four octets comes before it (RFC 7911 §3).
//
// The bulk path hands NLRI on as octet ranges; this file checks and counts them once. The text forms are for tools.

import { addressFrom, formatAddress, parsePrefix } from '../../inet/index.ts'
import { putUint32, uint32 } from './attributes/as-path.ts'

/** Octets of a path identifier (RFC 7911 §3). */
export const PATH_ID = 4

/**
 * How many prefixes `octets[from, to)` holds; -1 if a length is beyond `bits` or runs past the end (RFC 7606 §5.3).
 * `pathIds`: each has a path identifier.
 */
export function countNlri(octets: Uint8Array, from: number, to: number, bits: number, pathIds = false): number {
  if (pathIds) return countPaths(octets, from, to, bits)
  let count = 0
  let at = from
  while (at < to) {
    const length = octets[at]
    if (length > bits) return -1
    at += 1 + ((length + 7) >> 3)
    count++
  }
  return at === to ? count : -1
}

function countPaths(octets: Uint8Array, from: number, to: number, bits: number): number {
  let count = 0
  let at = from
  while (at < to) {
    at += PATH_ID
    if (at >= to || octets[at] > bits) return -1
    at += 1 + ((octets[at] + 7) >> 3)
    count++
  }
  return at === to ? count : -1
}

/** The routes of a checked range as text, host bits cleared: `10.0.0.0/8`, with a path identifier `7 10.0.0.0/8`. */
export function nlriTexts(octets: Uint8Array, from: number, to: number, bits: 32 | 128, pathIds = false): string[] {
  const texts: string[] = []
  for (let at = from; at < to;) {
    const id = pathIds ? `${uint32(octets, at)} ` : ''
    if (pathIds) at += PATH_ID
    const length = octets[at]
    const size = (length + 7) >> 3
    const address = new Uint8Array(bits / 8)
    address.set(octets.subarray(at + 1, at + 1 + size))
    if (length & 7) address[size - 1] &= 0xff << (8 - (length & 7))
    texts.push(`${id}${formatAddress(addressFrom(address))}/${length}`)
    at += 1 + size
  }
  return texts
}

/** The octets of routes given as such text; throws a RangeError on what is no prefix of the family. */
export function nlriOctets(texts: readonly string[], bits: 32 | 128): number[] {
  return texts.flatMap(text => {
    const [id, route] = text.includes(' ') ? text.split(' ') : ['', text]
    const prefix = parsePrefix(route)
    if (!prefix || prefix.octets.length * 8 !== bits) throw new RangeError(`${text} is no prefix of ${bits} bits`)
    const octets = new Uint8Array(id === '' ? 0 : PATH_ID)
    if (id !== '') putUint32(octets, 0, Number(id))
    return [...octets, prefix.length, ...prefix.octets.subarray(0, (prefix.length + 7) >> 3)]
  })
}

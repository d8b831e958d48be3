// Network layer reachability information (RFC 4271 §4.3): a length in bits, then the octets it needs.
//
// The bulk path hands NLRI on as octet ranges; this file checks and counts them once. The text forms are for tools.

import { addressFrom, formatAddress, parsePrefix } from '../../inet/index.ts'

/** How many prefixes `octets[from, to)` holds; -1 if a length is beyond `bits` or runs past the end (RFC 7606 §5.3). */
export function countNlri(octets: Uint8Array, from: number, to: number, bits: number): number {
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

/** The prefixes of a checked range as text, host bits cleared. */
export function nlriTexts(octets: Uint8Array, from: number, to: number, bits: 32 | 128): string[] {
  const texts: string[] = []
  for (let at = from; at < to;) {
    const length = octets[at]
    const size = (length + 7) >> 3
    const address = new Uint8Array(bits / 8)
    address.set(octets.subarray(at + 1, at + 1 + size))
    if (length & 7) address[size - 1] &= 0xff << (8 - (length & 7))
    texts.push(`${formatAddress(addressFrom(address))}/${length}`)
    at += 1 + size
  }
  return texts
}

/** The octets of prefixes given as text; throws a RangeError on what is no prefix of the family. */
export function nlriOctets(texts: readonly string[], bits: 32 | 128): number[] {
  return texts.flatMap(text => {
    const prefix = parsePrefix(text)
    if (!prefix || prefix.octets.length * 8 !== bits) throw new RangeError(`${text} is no prefix of ${bits} bits`)
    return [prefix.length, ...prefix.octets.subarray(0, (prefix.length + 7) >> 3)]
  })
}

// Prefixes: an address with the host bits zero, and a length.

import {
  type Address,
  type IpFamily,
  addToAddress,
  bitsOf,
  compareOctets,
  distance,
  formatAddress,
  octetsOf,
  parseAddress,
  wordOf4,
} from './address.ts'

const ZERO = 48

/** A network, host bits zero. Never written to after it was made. */
export interface Prefix {
  readonly family: IpFamily
  readonly octets: Uint8Array
  /** 0–32 or 0–128. */
  readonly length: number
}

/** An address on a link with its subnet's length, as in `10.0.1.7/24`: host bits kept. */
export interface InterfaceAddress {
  readonly address: Address
  readonly length: number
}

/**
 * Reads `10.42.0.0/16` or `fd00:42::/48`. Host bits must be zero: `10.42.0.1/16` is undefined, so that a typing
 * error is not silently another network. An address without a length is a host prefix.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const parsed = parseInterfaceAddress(text)
  if (!parsed) return undefined
  const { address, length } = parsed
  return hasHostBits(address.octets, length) ? undefined : { family: address.family, octets: address.octets, length }
}

/** An IPv4 prefix as one number, its address times 64 and its length; -1 if the text is none. Makes no object, as `wordOf4`. */
export function packedPrefix4(text: string): number {
  const slash = text.indexOf('/')
  const word = wordOf4(text, slash < 0 ? text.length : slash)
  const length = slash < 0 ? 32 : numberFrom(text, slash + 1, 32)
  return word < 0 || length === undefined || word % 2 ** (32 - length) !== 0 ? -1 : word * 64 + length
}

const octetTexts = Array.from({ length: 256 }, (_, octet) => `${octet}.`)
/** By length: last octets with it. */
const lastTexts: (readonly string[] | undefined)[] = []

/** The text of an IPv4 prefix from its address as a number: of many prefixes it is put together from pieces that are there. */
export function prefixText4(word: number, length: number): string {
  const last = (lastTexts[length] ??= Array.from({ length: 256 }, (_, octet) => `${octet}/${length}`))
  return octetTexts[word >>> 24] + octetTexts[(word >>> 16) & 255] + octetTexts[(word >>> 8) & 255] + last[word & 255]
}

function hasHostBits(octets: Uint8Array, length: number): boolean {
  for (let i = length >> 3; i < octets.length; i++) {
    const mask = i === length >> 3 ? 0xff >> (length & 7) : 0xff
    if (octets[i] & mask) return true
  }
  return false
}

/** Reads `10.0.1.7/24`, host bits kept; without a length the address is alone on its link (/32, /128). */
export function parseInterfaceAddress(text: string): InterfaceAddress | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (!address) return undefined
  const bits = bitsOf(address.family)
  if (slash < 0) return { address, length: bits }
  const length = numberFrom(text, slash + 1, bits)
  return length === undefined ? undefined : { address, length }
}

/** The number that ends a text, at most `most`, without leading zeros. */
function numberFrom(text: string, at: number, most: number): number | undefined {
  let value = 0
  for (let i = at; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (digit < 0 || digit > 9 || (i > at && value === 0)) return undefined
    value = value * 10 + digit
    if (value > most) return undefined
  }
  return at < text.length ? value : undefined
}

/** The network of that length around an address. */
export function prefixOf(address: Address, length: number): Prefix {
  const octets = new Uint8Array(octetsOf(address.family))
  const whole = length >> 3
  for (let i = 0; i < whole; i++) octets[i] = address.octets[i]
  if (length & 7) octets[whole] = address.octets[whole] & (0xff << (8 - (length & 7)))
  return { family: address.family, octets, length }
}

/** The /32 or /128 of an address. */
export function hostPrefix(address: Address): Prefix {
  return { family: address.family, octets: address.octets, length: bitsOf(address.family) }
}

/** Canonical text, also fit as a map key: `10.42.0.0/26`, `fd00::/122`. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.octets)}/${prefix.length}`
}

/** True if `inner` (an address or a prefix) lies wholly inside `outer`; a prefix contains itself. */
export function contains(outer: Prefix, inner: Address | Prefix): boolean {
  if (outer.family !== inner.family) return false
  if ('length' in inner && inner.length < outer.length) return false
  const whole = outer.length >> 3
  for (let i = 0; i < whole; i++) if (outer.octets[i] !== inner.octets[i]) return false
  const rest = outer.length & 7
  return rest === 0 || ((outer.octets[whole] ^ inner.octets[whole]) & (0xff << (8 - rest)) & 0xff) === 0
}

export function overlaps(a: Prefix, b: Prefix): boolean {
  return contains(a, b) || contains(b, a)
}

/** Orders by family, then address, then length (short first). */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  return a.family - b.family || compareOctets(a.octets, b.octets) || a.length - b.length
}

/** How many addresses it holds; Infinity beyond 2^53. */
export function sizeOf(prefix: Prefix): number {
  const bits = bitsOf(prefix.family) - prefix.length
  return bits > 53 ? Infinity : 2 ** bits
}

/** The n-th address in it, counted from 0. */
export function addressAt(prefix: Prefix, n: number): Address {
  return addToAddress({ family: prefix.family, octets: prefix.octets }, n)
}

/** Which address of the prefix this is, counted from 0; -1 if it lies outside. */
export function indexOf(prefix: Prefix, address: Address): number {
  return contains(prefix, address) ? distance({ family: prefix.family, octets: prefix.octets }, address) : -1
}

/** How many subnets of `length` it has (0 if `length` is shorter than its own). */
export function subnetCount(prefix: Prefix, length: number): number {
  return length < prefix.length ? 0 : 2 ** (length - prefix.length)
}

/** Its n-th subnet of `length`, counted from 0. */
export function subnetAt(prefix: Prefix, length: number, n: number): Prefix {
  const octets = Uint8Array.from(prefix.octets)
  let value = BigInt(n) << BigInt(bitsOf(prefix.family) - length)
  for (let i = octets.length - 1; i >= 0 && value > 0n; i--) {
    octets[i] |= Number(value & 255n)
    value >>= 8n
  }
  return { family: prefix.family, octets, length }
}

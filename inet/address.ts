// IP addresses as octets, and their text forms (RFC 4291 §2.2 for reading, RFC 5952 for writing).

export type IpFamily = 4 | 6

/** Of what is known to be an address or a prefix, as text. */
export function familyOf(text: string): IpFamily {
  return text.includes(':') ? 6 : 4
}

/** An IPv4 (4 octets) or IPv6 (16 octets) address in network byte order. Never written to after it was made. */
export interface Address {
  readonly family: IpFamily
  readonly octets: Uint8Array
}

/** Octets in an address of the family: 4 or 16. */
export function octetsOf(family: IpFamily): 4 | 16 {
  return family === 4 ? 4 : 16
}

/** Bits in an address of the family: 32 or 128. */
export function bitsOf(family: IpFamily): 32 | 128 {
  return family === 4 ? 32 : 128
}

/** The address that `octets` hold (4 or 16 of them); the octets are copied. */
export function addressFrom(octets: Uint8Array): Address {
  return { family: octets.length === 4 ? 4 : 6, octets: Uint8Array.from(octets) }
}

/** Reads `10.0.1.7` or `fd00::1`; undefined if the text is no address. No zone index, no leading zeros in IPv4. */
export function parseAddress(text: string): Address | undefined {
  const octets = text.includes(':') ? parse6(text) : parse4(text)
  return octets && { family: octets.length === 4 ? 4 : 6, octets }
}

/** Octets of an IPv4 address that is given as one number, signed or not. */
export function octetsOf4(word: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(word >>> 24, word >>> 16, word >>> 8, word)
}

/** The IPv4 address that the text is up to `to`, as one number; -1 if it is none. For those who read very many: it makes no object. */
export function wordOf4(text: string, to: number = text.length): number {
  let word = 0
  let dots = 0
  let value = -1 // no digit yet
  for (let i = 0; i < to; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit === -2 && value >= 0 && dots < 3) {
      word = word * 256 + value
      dots++
      value = -1
    } else if (digit >= 0 && digit <= 9 && value !== 0) {
      value = value < 0 ? digit : value * 10 + digit
      if (value > 255) return -1
    } else return -1 // a leading zero, too
  }
  return dots === 3 && value >= 0 ? word * 256 + value : -1
}

/** Writes an address: dotted quad, or RFC 5952 (lower case, longest run of zeros as `::`). */
export function formatAddress(address: Address | Uint8Array): string {
  const octets = address instanceof Uint8Array ? address : address.octets
  return octets.length === 4 ? `${octets[0]}.${octets[1]}.${octets[2]}.${octets[3]}` : format6(octets)
}

/** Orders by family, then numerically. */
export function compareAddresses(a: Address, b: Address): number {
  return a.family - b.family || compareOctets(a.octets, b.octets)
}

export function equalAddresses(a: Address, b: Address): boolean {
  return compareAddresses(a, b) === 0
}

export function compareOctets(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i]
  return a.length - b.length
}

/** The address `count` after this one; wraps at the end of the family's range. */
export function addToAddress(address: Address, count: number): Address {
  const octets = Uint8Array.from(address.octets)
  let carry = count
  for (let i = octets.length - 1; i >= 0 && carry > 0; i--) {
    const sum = octets[i] + (carry % 256)
    octets[i] = sum & 255
    carry = Math.floor(carry / 256) + (sum >> 8)
  }
  return { family: address.family, octets }
}

/** How far `address` lies after `from` (both of one family); Infinity when it does not fit a double exactly. */
export function distance(from: Address, address: Address): number {
  let difference = 0n
  for (let i = 0; i < from.octets.length; i++) {
    difference = difference * 256n + BigInt(address.octets[i]) - BigInt(from.octets[i])
  }
  const count = Number(difference)
  return Number.isSafeInteger(count) ? count : Infinity
}

/** True for fe80::/10. */
export function isLinkLocal(address: Address): boolean {
  return address.family === 6 && address.octets[0] === 0xfe && (address.octets[1] & 0xc0) === 0x80
}

function parse4(text: string): Uint8Array | undefined {
  const word = wordOf4(text)
  if (word < 0) return undefined
  const octets = new Uint8Array(4)
  for (let i = 0; i < 4; i++) octets[i] = word >>> (24 - 8 * i)
  return octets
}

function parse6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groups(halves[0])
  const tail = halves.length === 2 ? groups(halves[1]) : []
  if (!head || !tail) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const all = [...head, ...Array.from({ length: missing }, () => 0), ...tail]
  const octets = new Uint8Array(16)
  all.forEach((group, i) => {
    octets[2 * i] = group >> 8
    octets[2 * i + 1] = group & 255
  })
  return octets
}

/** The 16-bit groups of one side of `::`; an IPv4 tail (`::ffff:10.0.0.1`) counts as two. */
function groups(text: string): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const values: number[] = []
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]
    if (part.includes('.')) {
      const four = i === parts.length - 1 ? parse4(part) : undefined
      if (!four) return undefined
      values.push((four[0] << 8) | four[1], (four[2] << 8) | four[3])
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined
      values.push(Number.parseInt(part, 16))
    }
  }
  return values
}

function format6(octets: Uint8Array): string {
  const values: number[] = []
  for (let i = 0; i < 16; i += 2) values.push((octets[i] << 8) | octets[i + 1])
  let start = -1
  let length = 1 // a single zero group is not shortened (RFC 5952 §4.2.2)
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (i + run < 8 && values[i + run] === 0) run++
    if (run > length) [start, length] = [i, run]
  }
  const hex = (part: number[]) => part.map(group => group.toString(16)).join(':')
  return start < 0 ? hex(values) : `${hex(values.slice(0, start))}::${hex(values.slice(start + length))}`
}

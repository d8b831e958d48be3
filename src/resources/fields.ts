// The types of fields that the kinds are made of. Each reads what people write, keeps the canonical form, and refuses with a
// reason and a next step.

import {
  addressAt,
  bitsOf,
  equalAddresses,
  formatAddress,
  formatPrefix,
  type InterfaceAddress,
  type IpFamily,
  parseAddress,
  parseInterfaceAddress,
  parsePrefix,
  type Prefix,
  prefixOf,
  sizeOf,
  specialRange,
  specialRangeWithin,
} from '../../inet/index.ts'
import { Refusal, show } from './problem.ts'
import { field } from './schema.ts'
import { parseSelector } from './selector.ts'
import { nearest } from './suggest.ts'

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value.trim() : undefined)

/** A network, `10.42.0.0/16`. Host bits must be zero. */
export const cidr = () =>
  field('CIDR', value => {
    const text = textOf(value) ?? ''
    const prefix = text.includes('/') ? parsePrefix(text) : undefined
    if (prefix) return outsideSpecial(prefix) ?? formatPrefix(prefix)
    const loose = parseInterfaceAddress(text)
    if (!loose)
      return new Refusal(
        'is not a CIDR',
        'A CIDR is a network and its length.',
        'Write it like 10.42.0.0/16 or fd00:42::/48.',
      )
    if (!text.includes('/'))
      return new Refusal('has no prefix length', 'A CIDR is a network and its length.', `Write it like ${text}/16.`)
    return new Refusal(
      'has host bits set',
      `The network of that length around it is ${formatPrefix(prefixOf(loose.address, loose.length))}.`,
      'Write the network itself, or another length.',
    )
  })

/** Why a network is no use to pods or hosts. */
function outsideSpecial(prefix: Prefix): Refusal | undefined {
  const range = specialRangeWithin(prefix)
  if (!range || prefix.length === 0) return undefined
  const where = `${formatPrefix(range.prefix)} (${range.meaning})`
  return new Refusal(
    `reaches into ${where}`,
    'Nothing is routed there (RFC 6890).',
    'Choose a range of your own, like 10.42.0.0/16.',
  )
}

/** Why no host can be reached by an address. */
function unusableHost(text: string): Refusal | undefined {
  const address = parseAddress(text)
  const range = address && specialRange(address)
  if (!range) return undefined
  const why = `It lies in ${formatPrefix(range.prefix)}, which is ${range.meaning} (RFC 6890).`
  return new Refusal('is no address of a host', why, 'Write the address by which the host is reached.')
}

/** Why an address cannot be a host's in its subnet. */
function hostRefusal({ address, length }: InterfaceAddress, example: string): Refusal | undefined {
  const unusable = unusableHost(formatAddress(address))
  if (unusable || length >= bitsOf(address.family) - 1) return unusable
  const subnet = prefixOf(address, length)
  const last = address.family === 4 ? addressAt(subnet, sizeOf(subnet) - 1) : undefined
  const isNetwork = equalAddresses(address, addressAt(subnet, 0))
  if (!isNetwork && !(last && equalAddresses(address, last))) return undefined
  const what = isNetwork ? 'is the subnet itself' : "is the subnet's broadcast address"
  return new Refusal(
    what,
    'A node has an address of its own in its subnet.',
    `Write the node's address, like ${example}.`,
  )
}

/** A node's own address with its subnet's length, `10.0.1.7/24`. */
export const interfaceAddress = (family: IpFamily) => {
  const example = family === 4 ? '10.0.1.7/24' : 'fd00:1::7/64'
  return field(`IPv${family} address with subnet length`, value => {
    const text = textOf(value) ?? ''
    const parsed = parseInterfaceAddress(text)
    if (!parsed || parsed.address.family !== family)
      return new Refusal(
        `is not an IPv${family} address`,
        'The other nodes reach this node there.',
        `Write it like ${example}.`,
      )
    if (!text.includes('/'))
      return new Refusal(
        'has no subnet length',
        'The length tells which nodes share this subnet and need no router between them.',
        `Write the length of the node's subnet as well, like ${text}/${family === 4 ? 24 : 64}.`,
      )
    return hostRefusal(parsed, example) ?? `${formatAddress(parsed.address)}/${parsed.length}`
  })
}

/** A peer's address, with its port if that is not 179: `10.0.1.1`, `10.0.1.1:1790`, `[fd00::1]:1790`. */
export const addressAndPort = () =>
  field('address or address:port', value => {
    const peer = splitAddressAndPort(textOf(value) ?? '')
    if (peer) return unusableHost(peer.address) ?? joinAddressAndPort(peer.address, peer.port)
    return new Refusal(
      'is not an address',
      'A peer is named by its IP address, and by its port where that is not 179.',
      'Write it like 10.0.1.1, 10.0.1.1:1790, fd00::1 or [fd00::1]:1790.',
    )
  })

/** Takes `10.0.1.1`, `10.0.1.1:1790`, `fd00::1`, `[fd00::1]:1790` apart; undefined if it is none of them. `port` absent: 179. */
export function splitAddressAndPort(text: string): { readonly address: string; readonly port?: number } | undefined {
  const match = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([\d.]+):(\d{1,5})$/.exec(text)
  const address = parseAddress(match ? match[1] : text)
  if (!address) return undefined
  if (match?.[2] === undefined) return { address: formatAddress(address) }
  const port = Number(match[2])
  return port >= 1 && port <= 65535 ? { address: formatAddress(address), port } : undefined
}

function joinAddressAndPort(address: string, port: number | undefined): string {
  if (port === undefined || port === 179) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** 1 to 4294967295, also as asdot (RFC 5396): `1.10` = 65546. */
export const asNumber = () =>
  field('AS number', value => {
    const number = readAsNumber(typeof value === 'number' ? String(value) : (textOf(value) ?? ''))
    if (number !== undefined && number >= 1 && number <= 4294967295) return number
    return new Refusal(
      'is not an AS number',
      'AS numbers go from 1 to 4294967295 (RFC 6793).',
      'Write it like 64512, or with a dot like 1.10.',
    )
  })

function readAsNumber(text: string): number | undefined {
  const match = /^(\d{1,10})(?:\.(\d{1,5}))?$/.exec(text)
  if (!match) return undefined
  if (match[2] === undefined) return Number(match[1])
  const [high, low] = [Number(match[1]), Number(match[2])]
  return high <= 65535 && low <= 65535 ? high * 65536 + low : undefined
}

/** A whole number within bounds, both included. */
export const integer = (form: string, min: number, max: number, why: string) =>
  field(form, value => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    return new Refusal(`is not a whole number from ${min} to ${max}`, why, `Write a number from ${min} to ${max}.`)
  })

/** Seconds as a number, or as `90s`, `1m30s`, `2h`. */
export const seconds = (accepts: (count: number) => boolean, bounds: string, why: string) =>
  field('seconds', value => {
    const count = typeof value === 'number' ? value : readDuration(textOf(value) ?? '')
    if (count !== undefined && Number.isInteger(count) && accepts(count)) return count
    return new Refusal(`is not ${bounds}`, why, 'Write seconds as a number like 90, or a duration like 1m30s.')
  })

function readDuration(text: string): number | undefined {
  const match = /^(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?$/.exec(text)
  if (!match || text === '') return undefined
  return Number(match[1] ?? 0) * 3600 + Number(match[2] ?? 0) * 60 + Number(match[3] ?? 0)
}

/** RFC 4271 §4.2: zero (no keepalives), or three seconds and more. */
export const holdTime = () =>
  seconds(
    count => count === 0 || (count >= 3 && count <= 65535),
    'a hold time',
    'A hold time is 0 (a session without keepalives) or 3 to 65535 seconds (RFC 4271 §4.2).',
  )

/** How long to wait between attempts to connect. */
export const connectRetryTime = () =>
  seconds(
    count => count >= 1 && count <= 3600,
    'from 1 to 3600 seconds',
    'A session that is down is tried again after this time.',
  )

/** A WireGuard key: 32 octets in base64. */
export const wireguardKey = () =>
  field('WireGuard key', value => {
    const text = textOf(value) ?? ''
    const octets = Buffer.from(text, 'base64')
    if (octets.length === 32 && octets.toString('base64') === text) return text
    return new Refusal(
      'is not a WireGuard key',
      'A key is 32 octets in base64.',
      'Leave it out: the daemon of the node writes it.',
    )
  })

/** A dotted quad that names something, as a cluster id or router id does; not 0.0.0.0. */
export const dottedQuad = (form: string) =>
  field(form, value => {
    const address = parseAddress(textOf(value) ?? '')
    if (address?.family === 4 && address.octets.some(octet => octet !== 0)) return formatAddress(address)
    return new Refusal(`is not a ${form}`, `A ${form} is four octets, not all zero.`, 'Write it like 224.0.0.1.')
  })

/** A selector over labels; empty means `all()`. */
export const selector = () =>
  field('selector', value => {
    const text = textOf(value)
    const parsed = text === undefined ? undefined : parseSelector(text)
    if (text !== undefined && parsed?.ok) return text === '' ? 'all()' : text
    return new Refusal(
      'is not a selector',
      parsed?.ok === false ? `At character ${parsed.position + 1}: ${parsed.reason}.` : 'A selector is a text.',
      "Write it like all(), has(router) or rack == 'r1' && role in {'edge', 'core'}.",
    )
  })

const nameForm = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/

export const nameRule =
  'A name has small letters, digits, dots and dashes, begins and ends with a letter or digit, and is at most 253 long.'

/** Whether an object can have it as its name. */
export function isObjectName(value: unknown): value is string {
  return typeof value === 'string' && nameForm.test(value)
}

/** The name of an object. */
export const objectName = () =>
  field('name', value => {
    if (isObjectName(value)) return value
    return new Refusal('is not a name', nameRule, 'Write it like rack1-n7.')
  })

/** On or off. */
export const flag = () =>
  field('true or false', value => {
    if (typeof value === 'boolean') return value
    return new Refusal('is neither true nor false', 'It is a switch.', 'Write true or false, without quotes.')
  })

/** One of a few words. */
export const choice = <const T extends readonly string[]>(...words: T) =>
  field(words.join(', '), (value): T[number] | Refusal => {
    const word = words.find(candidate => candidate === value)
    if (word !== undefined) return word
    const meant = typeof value === 'string' ? nearest(value, words) : undefined
    return new Refusal(
      'is not one of its values',
      `It takes ${words.join(', ')}.`,
      meant ? `Did you mean ${meant}?` : `Write ${words[0]}, which is the default.`,
    )
  })

/** A value that has to be exactly one, because Margay does nothing else yet; any other is refused with the reason and next step. */
export const only = <const T extends string | boolean>(accepted: T, why: string, fix: string) =>
  field(`${accepted}`, value => (value === accepted ? accepted : new Refusal('is not supported', why, fix)))

/** Names of links: one, or those that fit `*` (any letters) and `?` (one letter). */
export const linkPattern = () =>
  field('link', value => {
    if (typeof value === 'string' && /^[^\s/:\p{Cc}]{1,15}$/u.test(value) && value !== '.' && value !== '..')
      return value
    return new Refusal(
      'is not the name of a link',
      'Linux names its links with at most 15 characters, without space, colon and slash.',
      'Write it like swp1, or eth* for several.',
    )
  })

/** Free text of one line. */
export const line = () =>
  field('text', value => {
    if (typeof value === 'string' && value.length <= 255 && !value.includes('\n')) return value
    return new Refusal(
      `is not a line of text`,
      'It is shown in tables and logs.',
      'Write at most 255 characters on one line.',
    )
  })

/** A file, from the root. */
export const absolutePath = () =>
  field('absolute path', value => {
    if (typeof value === 'string' && /^\/[^\0\n]*[^/\0\n]$/.test(value)) return value
    return new Refusal('is not an absolute path', 'Each node reads its own file.', 'Write it like /etc/margay/tor.key.')
  })

/** The name of a variable in the environment. */
export const variable = () =>
  field('name of a variable', value => {
    if (typeof value === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) return value
    return new Refusal(
      'is not the name of a variable',
      'It is set in the environment of margayd.',
      'Write it like TOR_KEY.',
    )
  })

/** Labels and annotations. */
export const stringMap = (form: string) =>
  field(form, value => {
    const pairs =
      typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined
    if (!pairs)
      return new Refusal(
        'is not a mapping',
        `${form[0].toUpperCase()}${form.slice(1)} are keys with a text each.`,
        'Write them like rack: r1.',
      )
    const map: Record<string, string> = {}
    for (const [key, text] of pairs) {
      if (typeof text !== 'string')
        return new Refusal(
          `has the value ${show(text)} for ${key}`,
          'Values are texts.',
          `Put it in quotes: ${key}: "${show(text)}".`,
        )
      map[key] = text
    }
    return map
  })

/** The longest block a family may have, and the shortest. */
export const blockSizes = { 4: { min: 20, max: 32, usual: 26 }, 6: { min: 116, max: 128, usual: 122 } } as const

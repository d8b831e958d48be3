// What the codec promises for any octets at all: it does not throw, reads nothing outside the message, comes to an end, writes
// nothing into it, and says which rule was broken. Used by property tests, by the corpus, and by the fuzzer.

import { type AttributeType, attributeType, AttributeWalker } from './attributes.ts'
import {
  checkHeader,
  HEADER_LENGTH,
  MAX_EXTENDED,
  MAX_MESSAGE,
  NOTIFICATION,
  OPEN,
  ROUTE_REFRESH,
  UPDATE,
} from './header.ts'
import { nlriTexts } from './nlri.ts'
import { decodeNotification, errorCodes, notificationText } from './notification.ts'
import { decodeOpen, encodeOpen } from './open.ts'
import { decodeRefresh } from './refresh.ts'
import { type UpdateContext, UpdateDecoder } from './update.ts'
import type { Fault, Verdict } from './verdict.ts'

/** A promise of the codec is broken. */
export class Broken extends Error {}

function promise(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Broken(what)
}

/** Every session that a message may come on. */
const contexts: readonly UpdateContext[] = [
  { kind: 'ebgp', fourOctetAs: true },
  { kind: 'ibgp', fourOctetAs: true },
  { kind: 'ebgp', fourOctetAs: false },
  { kind: 'ibgp', fourOctetAs: false },
  { kind: 'ibgp', fourOctetAs: true, pathIds: { 'ipv4-unicast': true, 'ipv6-unicast': true } },
]

/** Reads of one message, over all that is done with it, at most: so many an octet, and so many more. */
const READS = { perOctet: 60, more: 2000 }

/**
 * Reads a whole message, header included, in every way a session may; throws `Broken` where a promise is broken. Returns what was
 * made of it, for comparison. `watched`: every single read is counted and bounded, too.
 */
export function judge(message: Uint8Array, watched = true): string {
  const seen = watched ? outcome(watch(message), 0, message.length) : undefined
  const here = outcome(message, 0, message.length)
  promise(seen === undefined || seen === here, 'the message reads differently when watched')
  // The same message among octets of others: what it means depends on nothing around it, and nothing is written to it.
  for (const [before, poison] of [
    [7, 0],
    [64, 0xff],
    [33, 2],
  ]) {
    const buffer = new Uint8Array(before + message.length + 64).fill(poison)
    buffer.set(message, before)
    const copy = buffer.slice()
    const there = outcome(buffer, before, before + message.length)
    promise(here === there, `octets around the message count:\n${here}\n${there}`)
    promise(Buffer.compare(buffer, copy) === 0, 'the message was changed')
  }
  return here
}

/** An array that counts and bounds what is read of it, octet by octet. */
function watch(octets: Uint8Array): Uint8Array {
  let left = octets.length * READS.perOctet * contexts.length + READS.more
  return new Proxy(octets, {
    get(target, key) {
      if (typeof key === 'string' && /^-?\d+$/.test(key)) {
        promise(Number(key) >= 0 && Number(key) < target.length, `octet ${key} of ${target.length} was read`)
        promise(--left > 0, 'the message is read over and over: a loop')
        return target[Number(key)]
      }
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      return (...args: readonly unknown[]): unknown => {
        if (key === 'slice' || key === 'subarray') inside(args as number[], target.length)
        return Reflect.apply(value, target, args)
      }
    },
  })
}

function inside([from = 0, to]: number[], length: number): void {
  promise(from >= 0 && from <= length, `a piece from ${from} of ${length} was read`)
  promise(to === undefined || to <= length, `a piece up to ${to} of ${length} was read`)
}

/** What becomes of the message `octets[from, to)`. */
function outcome(octets: Uint8Array, from: number, to: number): string {
  if (to - from < HEADER_LENGTH) return 'not whole'
  const wrong = checkHeader(octets, from, MAX_EXTENDED)
  if (wrong) return said(wrong)
  const length = (octets[from + 16] << 8) | octets[from + 17]
  if (length > to - from) return 'not whole'
  const [body, end] = [from + HEADER_LENGTH, from + length]
  switch (octets[from + 18]) {
    case OPEN:
      return ofOpen(octets, body, end)
    case UPDATE:
      return contexts.map(context => ofUpdate(octets, body, end, context)).join('\n')
    case NOTIFICATION:
      return ofNotification(octets, body, end)
    case ROUTE_REFRESH:
      return [false, true].map(enhanced => ofRefresh(octets, body, end, enhanced)).join('\n')
    default:
      return 'alive'
  }
}

/** A fault has words and a code that is known. */
function said({ code, subcode, why }: Fault): string {
  promise(/\w \w/.test(why), `no reason: ${JSON.stringify(why)}`)
  const known = errorCodes[code]
  promise(known !== undefined && (subcode === 0 || subcode in known.subcodes), `unknown error ${code}/${subcode}`)
  return `${code}/${subcode}: ${why}`
}

function ofOpen(octets: Uint8Array, from: number, to: number): string {
  const open = decodeOpen(octets, from, to)
  if ('fault' in open) return said(open.fault)
  const text = JSON.stringify(open)
  const again = encodeOpen(open)
  if (again.length > MAX_MESSAGE) return text
  promise(JSON.stringify(decodeOpen(again, HEADER_LENGTH, again.length)) === text, 'an OPEN is not what it was')
  return text
}

function ofNotification(octets: Uint8Array, from: number, to: number): string {
  const text = notificationText(decodeNotification(octets, from, to))
  promise(!/\p{Cc}/u.test(text), 'control characters reach the operator')
  promise(text.length > 0 && text.length < 5000, `${text.length} characters`)
  return text
}

function ofRefresh(octets: Uint8Array, from: number, to: number, enhanced: boolean): string {
  const refresh = decodeRefresh(octets, from, to, enhanced)
  if (refresh.kind === 'fault') return said(refresh.fault)
  return refresh.kind === 'ignored' ? refresh.why : `${refresh.kind} of ${refresh.family}`
}

const decoder = new UpdateDecoder()
const second = new UpdateDecoder()

function ofUpdate(octets: Uint8Array, from: number, to: number, context: UpdateContext): string {
  const verdict = decoder.decode(octets, from, to, context)
  const words = verdictText(verdict)
  if (verdict.do === 'reset') return words
  const { reach, unreach } = decoder
  const { pathIds } = context
  const parts = [
    nlriTexts(octets, decoder.withdrawnFrom, decoder.withdrawnTo, 32, pathIds?.['ipv4-unicast']),
    nlriTexts(octets, decoder.announcedFrom, decoder.announcedTo, 32, pathIds?.['ipv4-unicast']),
    ...[reach, unreach].map(
      ({ family, from, to }) =>
        family && [family, ...nlriTexts(octets, from, to, family === 'ipv4-unicast' ? 32 : 128, pathIds?.[family])],
    ),
    Array.from(octets.slice(decoder.nextHopFrom, decoder.nextHopTo)),
    Array.from(octets.slice(reach.nextHopFrom, reach.nextHopTo)),
  ]
  const attributes = verdict.do === 'withdraw' ? '' : kept(decoder, context)
  return [words, JSON.stringify(parts), decoder.prefixes, decoder.endOfRib, attributes].join(' ')
}

function verdictText(verdict: Verdict): string {
  if (verdict.do === 'accept') return 'accept'
  promise(/\w \w/.test(verdict.why), `no reason: ${JSON.stringify(verdict.why)}`)
  return verdict.do === 'reset' ? `reset ${said(verdict)}` : `${verdict.do} ${verdict.why}`
}

/** The attributes that are kept: canonical, valid, readable, and the same when they are sent and read once more. */
function kept({ attributes, attributesTo, announcedTo, announcedFrom, reach }: UpdateDecoder, context: UpdateContext) {
  promise(attributesTo <= attributes.length, 'the attributes outgrow their buffer')
  const walker = new AttributeWalker()
  let last = -1
  for (walker.reset(attributes, 0, attributesTo); walker.next(); last = walker.code) {
    const { code, from, to } = walker
    promise(code > last, `attribute ${code} after ${last}`)
    const type: AttributeType | undefined = attributeType(code)
    if (!type) continue
    promise(type.part === 'route', `${type.name} was to be taken out`)
    const wrong = type.validate(attributes, from, to, { ...context, fourOctetAs: true })
    promise(wrong === undefined, `${type.name} is kept with an error: ${wrong}`)
    const written = type.encode(type.decode(attributes, from, to))
    promise(Buffer.compare(written, attributes.subarray(from, to)) === 0, `${type.name} is not what it was`)
  }
  promise(!walker.overrun, 'an attribute runs past the end of what is kept')
  const octets = attributes.slice(0, attributesTo)
  if (announcedTo > announcedFrom || reach.prefixes > 0) sameAgain(octets, context)
  return Buffer.from(octets).toString('hex')
}

/** Sent on by a speaker with 4-octet AS numbers, the attributes are read as they are. */
function sameAgain(attributes: Uint8Array, context: UpdateContext): void {
  const body = Uint8Array.from([
    0,
    0,
    (attributes.length + 7) >> 8,
    (attributes.length + 7) & 255,
    ...attributes,
    // NEXT_HOP and 10.0.0.0/8
    0x40,
    3,
    4,
    10,
    0,
    0,
    2,
    8,
    10,
  ])
  const verdict = second.decode(body, 0, body.length, { ...context, fourOctetAs: true, pathIds: undefined })
  promise(verdict.do === 'accept', `what is kept is not accepted again: ${verdictText(verdict)}`)
  const again = second.attributes.subarray(0, second.attributesTo)
  promise(Buffer.compare(again, attributes) === 0, 'what is kept reads differently the second time')
}

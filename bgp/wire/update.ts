// UPDATE (RFC 4271 §4.3) read in place, with the error handling of RFC 7606.
//
// The decoder says where the routes are and writes their attributes in canonical form, fit to be interned, to a scratch
// buffer: ascending code, no envelope, 4-octet AS numbers, flags as the table has them. Nothing is allocated for a
// message that is well formed, and nothing per route ever. The decoder knows no session: whether the routes loop,
// whether a family was negotiated and what to do with the verdict is the caller's business.

import type { Family } from '../types.ts'
import { widenAggregator, widenAsPath, aggregatorIsNewer, type Span } from './as4.ts'
import {
  aggregator,
  asPath,
  as4Aggregator,
  as4Path,
  attributeType,
  AttributeWalker,
  type AttributeContext,
  type AttributeType,
  headerLength,
  mpReach,
  mpUnreach,
  nextHop,
  OPTIONAL,
  origin,
  PARTIAL,
  putHeader,
  TRANSITIVE,
} from './attributes.ts'
import { MAX_EXTENDED } from './header.ts'
import { type MpContext, MpRoutes } from './mp.ts'
import { badNextHop } from './next-hop.ts'
import { countNlri } from './nlri.ts'
import { accept, reset, type Verdict } from './verdict.ts'

/**
 * Octets that the attributes of a route may take in canonical form. A value's length has 16 bits, and policy,
 * prepending and reflection need room for what they add.
 */
export const MAX_ATTRIBUTES = 61440

/** What the octets of an UPDATE depend on. */
export type UpdateContext = AttributeContext & MpContext

/** Reads one UPDATE at a time; its fields describe the last one read and are overwritten by the next. */
export class UpdateDecoder {
  /** IPv4 withdrawn routes: `octets[withdrawnFrom, withdrawnTo)` of the message. */
  withdrawnFrom = 0
  withdrawnTo = 0
  /** IPv4 NLRI: `octets[announcedFrom, announcedTo)`, with the next hop in `octets[nextHopFrom, nextHopTo)`. */
  announcedFrom = 0
  announcedTo = 0
  nextHopFrom = 0
  nextHopTo = 0
  readonly reach = new MpRoutes()
  readonly unreach = new MpRoutes()
  /** Prefixes in all four places. */
  prefixes = 0
  /** The family whose End-of-RIB this message is (RFC 4724 §2). */
  endOfRib: Family | undefined
  /** Canonical attributes: `attributes[0, attributesTo)`. Meaningful if there are routes to announce. */
  readonly attributes: Uint8Array
  attributesTo = 0
  /** Attributes dropped from this message, for the report; usually the same empty list. */
  discarded: Extract<Verdict, { do: 'discard' }>[] = []

  readonly #walker = new AttributeWalker()
  /** By attribute code: in which message it was last seen. */
  readonly #seen = new Uint32Array(256)
  /** By attribute code: the message that has it well formed. */
  readonly #kept = new Uint32Array(256)
  readonly #flags = new Uint8Array(256)
  readonly #from = new Uint32Array(256)
  readonly #to = new Uint32Array(256)
  /** Codes kept of the message at hand, ascending. */
  readonly #codes = new Uint8Array(256)
  #count = 0
  /** Attributes of the message, wanted or not. */
  #different = 0
  #message = 0
  /** Prefixes in the message's own NLRI field, to which alone NEXT_HOP belongs. */
  #announced = 0
  #withdraw: string | undefined

  constructor() {
    this.attributes = new Uint8Array(2 * MAX_EXTENDED + 64) // 2-octet AS numbers may double while they are widened
  }

  /**
   * Reads the body `octets[from, to)` of an UPDATE, at least four octets. `withdraw`: the announced ranges are to be
   * withdrawn instead; `discard`: go on, but tell; with `reset` no other field means anything.
   */
  decode(octets: Uint8Array, from: number, to: number, context: UpdateContext): Verdict {
    this.#begin()
    const withdrawnLength = (octets[from] << 8) | octets[from + 1]
    this.withdrawnFrom = from + 2
    this.withdrawnTo = from + 2 + withdrawnLength
    const attributesFrom = this.withdrawnTo + 2
    if (attributesFrom > to) return reset(3, 1, 'the withdrawn routes run past the end of the message')
    const attributesTo = attributesFrom + ((octets[attributesFrom - 2] << 8) | octets[attributesFrom - 1])
    if (attributesTo > to) return reset(3, 1, 'the path attributes run past the end of the message')
    this.announcedFrom = attributesTo
    this.announcedTo = to

    const { pathIds } = context
    const withdrawn = countNlri(octets, this.withdrawnFrom, this.withdrawnTo, 32, pathIds?.['ipv4-unicast'])
    const announced = countNlri(octets, attributesTo, to, 32, pathIds?.['ipv4-unicast'])
    if (withdrawn < 0) return reset(3, 10, 'a withdrawn prefix is malformed')
    if (announced < 0) return reset(3, 10, 'an announced prefix is malformed')
    this.#announced = announced

    const broken = this.#collect(octets, attributesFrom, attributesTo, context) ?? this.#multiprotocol(octets, context)
    if (broken) return broken
    this.prefixes = withdrawn + announced + this.reach.prefixes + this.unreach.prefixes

    if (announced > 0 || this.reach.prefixes > 0) this.#check(octets, announced > 0)
    else if (attributesTo === attributesFrom) {
      if (withdrawn === 0) this.endOfRib = 'ipv4-unicast'
      return accept
    } else if (!this.#withdraw && this.#different === 1 && this.#isEmpty(withdrawn)) {
      this.endOfRib = this.unreach.family
    } else if (this.#withdraw && !this.reach.present) {
      // RFC 7606 §5.2: attributes in error and no reachable NLRI found: they may have been lost in the damage.
      if (!this.unreach.present || this.#different > 1) return reset(3, 1, this.#withdraw)
    }
    if (this.#withdraw) return { do: 'withdraw', why: this.#withdraw }
    this.#write(octets, context)
    if (this.attributesTo > MAX_ATTRIBUTES) {
      this.#damaged(`its attributes take ${this.attributesTo} octets, which cannot be passed on`)
      return { do: 'withdraw', why: this.#withdraw ?? '' }
    }
    return this.discarded[0] ?? accept
  }

  #begin(): void {
    if (++this.#message > 0xffffffff) {
      this.#seen.fill(0)
      this.#kept.fill(0)
      this.#message = 1
    }
    this.#count = this.#different = 0
    this.#withdraw = undefined
    this.attributesTo = 0
    this.nextHopFrom = this.nextHopTo = 0
    this.endOfRib = undefined
    if (this.discarded.length > 0) this.discarded = []
    this.reach.clear()
    this.unreach.clear()
  }

  /** Finds every attribute and judges it by its row; a verdict only if the session cannot go on. */
  #collect(octets: Uint8Array, from: number, to: number, context: AttributeContext): Verdict | undefined {
    const walker = this.#walker
    for (walker.reset(octets, from, to); walker.next();) {
      const { code } = walker
      const type = attributeType(code)
      if (this.#seen[code] === this.#message) {
        // RFC 7606 §3 g
        if (code === mpReach.code || code === mpUnreach.code) return reset(3, 1, `${type?.name} appears twice`)
        this.#discard(code, `${type?.name ?? `attribute ${code}`} appears twice; the first counts`)
        continue
      }
      if (!type && !(walker.flags & OPTIONAL)) {
        const data = octets.slice(walker.start, walker.to)
        return reset(3, 2, `attribute ${code} claims to be well known but is not`, data)
      }
      this.#seen[code] = this.#message
      this.#different++
      if (this.#keeps(octets, type, context)) this.#note(code)
    }
    if (walker.overrun) this.#damaged('a path attribute runs past the end of the attributes') // RFC 7606 §4
    return undefined
  }

  /** Whether the attribute under the walker is wanted: known and well formed, or unknown and transitive. */
  #keeps(octets: Uint8Array, type: AttributeType | undefined, context: AttributeContext): boolean {
    const { code, flags, from, to } = this.#walker
    if (!type) return (flags & TRANSITIVE) !== 0
    if (type.internalOnly && context.kind !== 'ibgp') {
      if (context.kind === 'ebgp' || type.internalOnly === 'as') return false
    }
    if (code === nextHop.code && this.#announced === 0) return false // RFC 4760 §3
    if ((flags & (OPTIONAL | TRANSITIVE)) !== type.flags) {
      this.#damaged(`${type.name} has flags 0x${flags.toString(16)}, must be 0x${type.flags.toString(16)}`) // RFC 7606 §3 c
      // The routes in a multiprotocol attribute can still be read, and have to be, to withdraw them.
      return code === mpReach.code || code === mpUnreach.code
    }
    const wrong = type.validate(octets, from, to, context)
    if (wrong === undefined) return true
    if (type.onError === 'discard') this.#discard(code, `${type.name}: ${wrong}`)
    else this.#damaged(`${type.name}: ${wrong}`)
    return false
  }

  /** Remembers the attribute under the walker, codes in ascending order (they nearly always come so). */
  #note(code: number): void {
    const { flags, from, to } = this.#walker
    this.#kept[code] = this.#message
    this.#flags[code] = flags
    this.#from[code] = from
    this.#to[code] = to
    let i = this.#count++
    for (; i > 0 && this.#codes[i - 1] > code; i--) this.#codes[i] = this.#codes[i - 1]
    this.#codes[i] = code
  }

  #multiprotocol(octets: Uint8Array, context: MpContext): Verdict | undefined {
    const [reach, unreach] = [mpReach.code, mpUnreach.code]
    const { pathIds } = context
    const broken =
      (this.#has(mpReach) ? this.reach.reach(octets, this.#from[reach], this.#to[reach], context) : undefined) ??
      (this.#has(mpUnreach) ? this.unreach.unreach(octets, this.#from[unreach], this.#to[unreach], pathIds) : undefined)
    return broken && { do: 'reset', ...broken }
  }

  /** Mandatory attributes (RFC 7606 §3 d) and next hops of a message that announces. */
  #check(octets: Uint8Array, classic: boolean): void {
    if (!this.#has(origin)) this.#damaged('ORIGIN is missing')
    if (!this.#has(asPath)) this.#damaged('AS_PATH is missing')
    if (classic) {
      if (this.#has(nextHop)) {
        this.nextHopFrom = this.#from[nextHop.code]
        this.nextHopTo = this.#to[nextHop.code]
        this.#damaged(badNextHop(octets, this.nextHopFrom, this.nextHopTo))
      } else this.#damaged('NEXT_HOP is missing')
    }
    if (this.reach.prefixes > 0) this.#damaged(badNextHop(octets, this.reach.nextHopFrom, this.reach.nextHopTo))
  }

  #write(octets: Uint8Array, context: AttributeContext): void {
    let at = 0
    for (let i = 0; i < this.#count; i++) {
      const code = this.#codes[i]
      const type = attributeType(code)
      if (type?.part === 'envelope') continue
      if (!context.fourOctetAs && (code === asPath.code || code === aggregator.code)) {
        at = this.#widen(octets, code, at)
        continue
      }
      const [from, to] = [this.#from[code], this.#to[code]]
      const flags = this.#flags[code] & PARTIAL
      if (type?.write) {
        at = this.#rewrite(octets, type, at)
        continue
      }
      const start = putHeader(
        this.attributes,
        at,
        type ? type.flags | flags : OPTIONAL | TRANSITIVE | PARTIAL,
        code,
        to - from,
      )
      copy(octets, from, to, this.attributes, start)
      at = start + to - from
    }
    this.attributesTo = at
  }

  /** An attribute whose value is kept in another form than it came; returns the offset after it. */
  #rewrite(octets: Uint8Array, type: AttributeType, at: number): number {
    const { code } = type
    const value = at + 4
    const end = type.write?.(octets, this.#from[code], this.#to[code], this.attributes, value) ?? value
    return this.#close(at, value, end, type.flags | (this.#flags[code] & PARTIAL), code)
  }

  /** AS_PATH or AGGREGATOR of a peer with 2-octet AS numbers; returns the offset after it. */
  #widen(octets: Uint8Array, code: number, at: number): number {
    const own = this.#span(code === asPath.code ? asPath : aggregator)
    if (!own) return at
    const newer = aggregatorIsNewer(octets, this.#span(aggregator))
    const value = at + 4
    const end =
      code === asPath.code
        ? widenAsPath(octets, own, newer ? undefined : this.#span(as4Path), this.attributes, value)
        : widenAggregator(octets, own, newer ? undefined : this.#span(as4Aggregator), this.attributes, value)
    const flags = code === asPath.code ? asPath.flags : aggregator.flags | (this.#flags[code] & PARTIAL)
    return this.#close(at, value, end, flags, code)
  }

  /** The header of a value that was written where a long header would leave it: a short one is moved up to. */
  #close(at: number, value: number, end: number, flags: number, code: number): number {
    if (headerLength(end - value) === 3) this.attributes.copyWithin(value - 1, value, end)
    return putHeader(this.attributes, at, flags, code, end - value) + end - value
  }

  /** No route is withdrawn, and MP_UNREACH_NLRI names a family that we carry. */
  #isEmpty(withdrawn: number): boolean {
    return withdrawn === 0 && this.unreach.family !== undefined && this.unreach.prefixes === 0
  }

  #has({ code }: AttributeType): boolean {
    return this.#kept[code] === this.#message
  }

  #span(type: AttributeType): Span | undefined {
    return this.#has(type) ? { from: this.#from[type.code], to: this.#to[type.code] } : undefined
  }

  #discard(attribute: number, why: string): void {
    this.discarded.push({ do: 'discard', attribute, why })
  }

  /** The first reason is the one told. */
  #damaged(why: string | undefined): void {
    this.#withdraw ??= why
  }
}

/** For a few octets quicker than making a view of them. */
function copy(octets: Uint8Array, from: number, to: number, out: Uint8Array, at: number): void {
  if (to - from > 48) out.set(octets.subarray(from, to), at)
  else for (let i = from; i < to; i++) out[at++] = octets[i]
}

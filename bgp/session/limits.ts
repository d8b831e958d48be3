// What a peer may make us hold: its prefix limits (RFC 4271 §6.7, RFC 4486 §4), and a ceiling for every peer, so that none
// fills the memory. The RIB refuses what is too much before it stores anything; here is what follows. And what a peer may
// be told of: the update groups keep to it, or the session ends before more is handed over.

import { MOST_PATHS } from '../rib/loc-rib.ts'
import type { Ceiling, Rib } from '../rib/port.ts'
import type { Family, PeerConfig, PeerId, PrefixLimit } from '../types.ts'
import { numbersOf } from '../wire/family.ts'
import { CEASE, cease } from '../wire/notification.ts'
import { type Fault, fault } from '../wire/verdict.ts'
import { leftOutOut, limitNear, limitNearOut } from './explain.ts'
import type { Journal } from './journal.ts'
import type { Refusal } from './routes.ts'

/** Prefixes of one family that any peer may announce: twice the Internet of 2026. About 100 octets each. */
export const MOST_PREFIXES = 2_000_000
/** Octets of attribute sets of one family that any peer may make us keep; a full table takes a quarter of it. */
export const MOST_OCTETS = 64 << 20
/** Seconds of rest after a session that reached a limit. */
export const LIMIT_REST = 300

export function sameLimits(a: PeerConfig, b: PeerConfig): boolean {
  const rows = (limits: PeerConfig['maxPrefixes']) =>
    Object.entries(limits ?? {})
      .toSorted(([x], [y]) => (x < y ? -1 : 1))
      .map(([family, l]) => [family, l?.limit, l?.warnAt, l?.action, l?.restartAfter])
  const text = (one: PeerConfig) => JSON.stringify([rows(one.maxPrefixes), rows(one.maxPrefixesOut)])
  return text(a) === text(b)
}

/** Where the RIB begins to refuse. A limit that only warns leaves the ceiling where it is. */
export function ceilingOf(limit: PrefixLimit | undefined): Ceiling {
  const paths = limit && limit.action !== 'warn' ? Math.min(limit.limit, MOST_PREFIXES) : MOST_PREFIXES
  return { paths, rows: MOST_PREFIXES, octets: MOST_OCTETS }
}

/** What follows from a refused route: `leave out`, or the end of the session and a rest of so many seconds. */
export type Consequence = 'leave out' | { readonly fault: Fault; readonly rest: number }

/** Some routes of the family were refused, for want of room for prefixes or for attributes. */
export function consequence(config: PeerConfig, family: Family, of: Refusal): Consequence {
  const limit = config.maxPrefixes?.[family]
  const own = limit !== undefined && limit.action !== 'warn' && of === 'prefixes'
  if (own && limit.action === 'reject') return 'leave out'
  const rest = limit?.restartAfter ?? LIMIT_REST
  if (of === 'octets') {
    const why = `the attributes of its ${family} routes take more than ${MOST_OCTETS} octets, which no peer may use here`
    return { fault: fault(CEASE, cease.resources, why), rest }
  }
  if (of === 'paths') {
    const why = `it announces more than ${MOST_PATHS} paths for one ${family} prefix, which no peer may do here`
    return { fault: fault(CEASE, cease.resources, why), rest }
  }
  const most = own ? limit.limit : MOST_PREFIXES
  const which = own ? 'which is its limit here' : 'which no peer may exceed here'
  const why = `it announces more than ${most} ${family} prefixes, ${which}`
  return { fault: fault(CEASE, cease.prefixes, why, limitData(family, most)), rest }
}

/** Prefixes at which to warn. */
function warnAt(limit: PrefixLimit): number {
  // A limit that only warns lets itself be reached: it is told when it is exceeded.
  return limit.warnAt ?? (limit.action === 'warn' ? limit.limit + 1 : Math.ceil(limit.limit * 0.75))
}

/** What was told of the limits in this session, so that it is told once. */
export class LimitWatch {
  /** Families in which routes are left out, as was told. */
  readonly leftOut = new Set<Family>()
  readonly #warned = new Set<Family>()

  clear(): void {
    this.leftOut.clear()
    this.#warned.clear()
  }

  /** Tells of each limit that is near, once. `count`: prefixes that the peer has announced. */
  watch(limits: PeerConfig['maxPrefixes'], count: (family: Family) => number, journal: Journal): void {
    for (const [family, limit] of Object.entries(limits ?? {}) as [Family, PrefixLimit | undefined][]) {
      const all = limit ? count(family) : 0
      if (limit && this.hasReached(family, all, limit))
        journal.limit('in', family, limit.limit, limitNear(family, all, limit.limit))
    }
  }

  /**
   * The same of what the peer is told of: tells of each limit that is near or reached, and says what follows where one with
   * `restart` is exceeded.
   */
  watchOut(
    limits: NonNullable<PeerConfig['maxPrefixesOut']>,
    rib: (family: Family) => Pick<Rib, 'sent' | 'isFullOut'>,
    peer: PeerId,
    journal: Journal,
  ): Exclude<Consequence, 'leave out'> | undefined {
    for (const [family, limit] of Object.entries(limits) as [Family, PrefixLimit | undefined][]) {
      if (!limit) continue
      const table = rib(family)
      const all = table.sent(peer)
      if (limit.action === 'restart' && all > limit.limit) {
        const why = `it would be told of more than ${limit.limit} ${family} prefixes, which is the limit here`
        return {
          fault: fault(CEASE, cease.prefixes, why, limitData(family, limit.limit)),
          rest: limit.restartAfter ?? LIMIT_REST,
        }
      }
      if (this.hasReached(family, all, limit)) {
        journal.limit('out', family, limit.limit, limitNearOut(family, all, limit.limit))
      }
      if (all < limit.limit * 0.9) this.leftOut.delete(family)
      if (table.isFullOut(peer) && !this.leftOut.has(family)) {
        this.leftOut.add(family)
        journal.limit('out', family, limit.limit, leftOutOut(family, limit.limit))
      }
    }
    return undefined
  }

  /** Whether the count has reached the warning just now. It must fall by a tenth before it is told again. */
  hasReached(family: Family, count: number, limit: PrefixLimit): boolean {
    const threshold = warnAt(limit)
    if (count < threshold * 0.9) this.#warned.delete(family)
    if (count < threshold || this.#warned.has(family)) return false
    this.#warned.add(family)
    return true
  }
}

/** RFC 4486 §4: AFI, SAFI, and the limit. */
function limitData(family: Family, limit: number): Uint8Array {
  const { afi, safi } = numbersOf(family)
  return Uint8Array.of(afi >> 8, afi & 255, safi, limit >>> 24, limit >>> 16, limit >>> 8, limit)
}

// MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4, RFC 8950 §3): which family, which next hop, and where the NLRI are.

import type { Family } from '../types.ts'
import { familyOf, numbersOf } from './family.ts'
import { countNlri } from './nlri.ts'
import { type Fault, fault } from './verdict.ts'

/** Families whose NLRI come with path identifiers on a session (RFC 7911 §4). */
export type PathIds = { readonly [F in Family]?: boolean } | undefined

/** What a session has agreed on. */
export interface MpContext {
  /** Families whose NLRI the peer sends with path identifiers; their ranges have them, too. */
  readonly pathIds?: PathIds
  /** IPv4 routes may have IPv6 next hops (RFC 8950). */
  readonly extendedNextHop?: boolean
}

/** One of the two attributes, read in place. Reused. */
export class MpRoutes {
  /** Undefined: absent, or a family that we do not carry. */
  family: Family | undefined
  present = false
  /** The next hop is `octets[nextHopFrom, nextHopTo)`: 4, 16 or 32 octets. */
  nextHopFrom = 0
  nextHopTo = 0
  /** The NLRI are `octets[from, to)`. */
  from = 0
  to = 0
  prefixes = 0

  clear(): void {
    this.family = undefined
    this.present = false
    this.nextHopFrom = this.nextHopTo = this.from = this.to = this.prefixes = 0
  }

  /**
   * Reads MP_REACH_NLRI. NLRI that cannot be found or read end the session (RFC 7606 §5.3, §7.11), since nobody could
   * say what the routes were.
   */
  reach(octets: Uint8Array, from: number, to: number, { pathIds, extendedNextHop }: MpContext): Fault | undefined {
    this.present = true
    if (to - from < 5) return fault(3, 9, `MP_REACH_NLRI has ${to - from} octets, fewer than 5`)
    const length = octets[from + 3]
    if (from + 5 + length > to) return fault(3, 9, 'the next hop of MP_REACH_NLRI runs past the end')
    this.family = familyOf((octets[from] << 8) | octets[from + 1], octets[from + 2])
    if (!this.family) return undefined
    const six = this.family === 'ipv6-unicast' || extendedNextHop === true
    const fits = (six && (length === 16 || length === 32)) || (this.family === 'ipv4-unicast' && length === 4)
    if (!fits) return fault(3, 9, `MP_REACH_NLRI has a next hop of ${length} octets for ${this.family}`)
    this.nextHopFrom = from + 4
    this.nextHopTo = from + 4 + length
    return this.#routes(octets, this.nextHopTo + 1, to, pathIds, 'MP_REACH_NLRI')
  }

  /** Reads MP_UNREACH_NLRI. */
  unreach(octets: Uint8Array, from: number, to: number, pathIds: PathIds): Fault | undefined {
    this.present = true
    if (to - from < 3) return fault(3, 9, `MP_UNREACH_NLRI has ${to - from} octets, fewer than 3`)
    this.family = familyOf((octets[from] << 8) | octets[from + 1], octets[from + 2])
    return this.family ? this.#routes(octets, from + 3, to, pathIds, 'MP_UNREACH_NLRI') : undefined
  }

  #routes(octets: Uint8Array, from: number, to: number, pathIds: PathIds, name: string): Fault | undefined {
    if (!this.family) return undefined
    const { bits } = numbersOf(this.family)
    const prefixes = countNlri(octets, from, to, bits, pathIds?.[this.family])
    if (prefixes < 0) return fault(3, 9, `a prefix in ${name} is malformed`)
    this.from = from
    this.to = to
    this.prefixes = prefixes
    return undefined
  }
}

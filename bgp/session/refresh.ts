// Routes that a peer sends again (RFC 7313 §4): between its BoRR and its EoRR those that have not come again are stale, and
// afterwards they go. The paths stay in the RIB; here is which families are under way, and until when.

import type { Rib } from '../rib/port.ts'
import type { Family, PeerId } from '../types.ts'
import type { Refresh } from '../wire/refresh.ts'
import type { Negotiated } from './negotiate.ts'

/** Seconds after the last BoRR in which EoRR has to come; then what has not come again goes all the same. */
export const REFRESH_LIMIT = 600

export interface RefreshPorts {
  rib(family: Family): Pick<Rib, 'beginRefresh' | 'sweepStale' | 'refresh'>
  /** Calls `expired` after so many seconds; replaces an earlier wish. */
  wait(seconds: number): void
  cancel(): void
  /** Something for the operator. */
  problem(text: string): void
}

export class Refreshes {
  readonly #id: PeerId
  readonly #ports: RefreshPorts
  readonly #begun = new Set<Family>()

  constructor(id: PeerId, ports: RefreshPorts) {
    this.#id = id
    this.#ports = ports
  }

  /** Families under way. */
  get families(): readonly Family[] {
    return [...this.#begun]
  }

  /** The peer asks for our routes of a family, or begins or ends its own; `told`: families whose End-of-RIB it has sent. */
  said(
    { kind, family }: Extract<Refresh, { family: Family }>,
    { families, gracefulRestart }: Negotiated,
    told: ReadonlySet<Family>,
  ): void {
    if (!families.includes(family)) return
    if (kind === 'request') return this.#ports.rib(family).refresh(this.#id)
    if (kind === 'end') return this.end(family)
    // RFC 7313 §4: what the peer did not announce since it restarted is told by End-of-RIB alone.
    if (!gracefulRestart || told.has(family)) return this.begin(family)
    this.#ports.problem(`its ${family} routes begin anew before their End-of-RIB, which is ignored (RFC 7313 §4)`)
  }

  /** BoRR: all that is there is stale until it comes again, also what a BoRR before has marked. */
  begin(family: Family): void {
    if (!this.#ports.rib(family).beginRefresh(this.#id)) {
      return this.#ports.problem(`its ${family} routes begin anew too often, without an end: this beginning is ignored`)
    }
    this.#begun.add(family)
    this.#ports.wait(REFRESH_LIMIT)
  }

  /** EoRR: what has not come again goes. Without a BoRR before it, it means nothing. */
  end(family: Family): void {
    if (!this.#begun.delete(family)) return
    this.#ports.rib(family).sweepStale(this.#id)
    if (this.#begun.size === 0) this.#ports.cancel()
  }

  expired(): void {
    for (const family of this.families) {
      this.end(family)
      const why = `it did not say within ${REFRESH_LIMIT} s that it has sent all`
      this.#ports.problem(`those of its ${family} routes that did not come again are dropped: ${why}`)
    }
  }

  /** The session is over; its paths are dealt with as a whole. */
  clear(): void {
    if (this.#begun.size > 0) this.#ports.cancel()
    this.#begun.clear()
  }
}

// The limits of one peer at work: what follows when its routes, or those it is told of, reach them (limits.ts).

import type { Rib } from '../rib/port.ts'
import type { Family, PeerId } from '../types.ts'
import { leftOut } from './explain.ts'
import type { ResolvedPeer } from './host.ts'
import type { Journal } from './journal.ts'
import { ceilingOf, type Consequence, consequence, LimitWatch } from './limits.ts'
import type { UpdateResult } from './routes.ts'

export interface LimitPorts {
  readonly journal: Journal
  config(): ResolvedPeer
  rib(family: Family): Rib
  /** Ends the session, and rests. */
  end(follows: Exclude<Consequence, 'leave out'>): void
  /** Asks the peer for its routes again. */
  ask(family: Family): void
}

export class PeerLimits {
  readonly #id: PeerId
  readonly #ports: LimitPorts
  readonly #in = new LimitWatch()
  readonly #out = new LimitWatch()

  constructor(id: PeerId, ports: LimitPorts) {
    this.#id = id
    this.#ports = ports
  }

  /** Families in which routes of the peer are left out. */
  get leftOut(): readonly Family[] {
    return [...this.#in.leftOut]
  }

  /** A session begins. */
  up(families: readonly Family[]): void {
    this.#in.clear()
    this.#out.clear()
    for (const family of families) this.#setCeiling(family)
  }

  /** Routes of an UPDATE were applied; some may have been refused. */
  applied(refused: UpdateResult['refused']): void {
    if (refused) return this.#refused(refused)
    const { maxPrefixes } = this.#ports.config()
    if (maxPrefixes) this.#in.watch(maxPrefixes, family => this.#received(family), this.#ports.journal)
  }

  /** Whether the session ends because of what would be sent next. */
  exceedsOut(): boolean {
    const { maxPrefixesOut } = this.#ports.config()
    if (!maxPrefixesOut) return false
    const rib = (family: Family) => this.#ports.rib(family)
    const follows = this.#out.watchOut(maxPrefixesOut, rib, this.#id, this.#ports.journal)
    if (follows) this.#ports.end(follows)
    return follows !== undefined
  }

  /** Other limits are in force: what they still forbid ends the session, what they allow now is asked for. */
  changed(families: readonly Family[]): void {
    for (const family of families) {
      const ceiling = this.#setCeiling(family)
      const all = this.#received(family)
      if (all > ceiling.paths) return this.#refused({ family, of: 'prefixes' })
      if (all < ceiling.paths && this.#in.leftOut.delete(family)) this.#ports.ask(family)
    }
  }

  #refused({ family, of }: NonNullable<UpdateResult['refused']>): void {
    const config = this.#ports.config()
    const follows = consequence(config, family, of)
    if (follows !== 'leave out') return this.#ports.end(follows)
    if (this.#in.leftOut.has(family)) return
    this.#in.leftOut.add(family)
    const limit = config.maxPrefixes?.[family]?.limit ?? 0
    this.#ports.journal.limit('in', family, limit, leftOut(family, limit))
  }

  #setCeiling(family: Family): ReturnType<typeof ceilingOf> {
    const ceiling = ceilingOf(this.#ports.config().maxPrefixes?.[family])
    this.#ports.rib(family).setCeiling(this.#id, ceiling)
    return ceiling
  }

  #received(family: Family): number {
    return this.#ports.rib(family).received(this.#id).all
  }
}

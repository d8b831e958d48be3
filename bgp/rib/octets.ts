// Routes as octets, out of the columns: for modules that record or mirror tables (MRT, BMP) and want no text.

import type { PeerId, Table } from '../types.ts'
import type { ChangeFeed } from './change-feed.ts'
import type { LocRib } from './loc-rib.ts'
import { DEAD, INELIGIBLE } from './paths.ts'
import type { OctetCursor, PolicyWatcher, RouteOctets } from './port.ts'
import type { Downstream } from './rib.ts'
import type { Session } from './sessions.ts'

export class RouteReader {
  readonly #rib: LocRib
  readonly #groups: Downstream
  readonly #nlri = new Uint8Array(17)
  readonly #route: RouteOctets = {
    nlri: this.#nlri,
    peer: null,
    pathId: undefined,
    attributes: undefined,
    nextHop: NOTHING,
  }

  constructor(rib: LocRib, groups: Downstream) {
    this.#rib = rib
    this.#groups = groups
  }

  /** A route of the prefix with that set; 0: withdrawn. */
  route(prefix: number, session: Session, set: number): RouteOctets {
    const { sets, nextHops } = this.#rib
    const route = this.#route
    route.nlri = this.#nlri.subarray(0, this.#rib.prefixes.putNlri(prefix, this.#nlri, 0))
    route.peer = session.peer
    route.pathId = undefined
    route.attributes = set === 0 ? undefined : sets.octets.subarray(sets.from(set), sets.to(set))
    route.nextHop = set === 0 ? NOTHING : nextHops.octets(sets.nextHop[set])
    return route
  }

  /** A path of the session, by its identifier if it has one. */
  ofPath(path: number, session: Session, set: number): RouteOctets {
    const { paths } = this.#rib
    const route = this.route(paths.prefix[path], session, set)
    if (session.pathIds) route.pathId = paths.pathId[path]
    return route
  }

  /** Calls back for each route to the prefix in the table. */
  each(table: Table, peer: PeerId | null | 'every', prefix: number, each: PolicyWatcher): void {
    const { prefixes, paths, sessions } = this.#rib
    if (table === 'loc') {
      const set = this.#rib.bestSet(prefix)
      if (set > 0) each(this.route(prefix, sessions.at(paths.slot[prefixes.best[prefix]]), set))
      return
    }
    const session = peer === null ? sessions.local : peer === 'every' ? undefined : sessions.of(peer)
    if (!session && peer !== 'every') return
    if (session && table === 'out') {
      for (const { attributes, nextHop, from, pathId } of this.#groups.told(session, prefix)) {
        each(Object.assign(this.route(prefix, from, 0), { attributes, nextHop, pathId }))
      }
      return
    }
    for (let path = prefixes.firstPath[prefix]; path !== 0; path = paths.next[path]) {
      const from = sessions.at(paths.slot[path])
      if ((session && from !== session) || from.down || paths.flags[path] & DEAD) continue
      const set = table === 'in' ? paths.received[path] : paths.flags[path] & INELIGIBLE ? 0 : paths.accepted[path]
      if (set !== 0) each(this.ofPath(path, from, set))
    }
  }
}

/** The Loc-RIB feed, as octets. */
export class OctetFeed implements OctetCursor {
  readonly #rib: LocRib
  readonly #feed: ChangeFeed
  readonly #reader: RouteReader

  constructor(rib: LocRib, feed: ChangeFeed, reader: RouteReader) {
    this.#rib = rib
    this.#feed = feed
    this.#reader = reader
  }

  next(into: RouteOctets): boolean {
    const prefix = this.#feed.advance()
    if (prefix === 0) return false
    const { prefixes, paths, sessions } = this.#rib
    const best = prefixes.best[prefix]
    const session = best === 0 ? sessions.local : sessions.at(paths.slot[best])
    Object.assign(into, this.#reader.route(prefix, session, best === 0 ? 0 : paths.accepted[best]))
    return true
  }

  get size(): number {
    return this.#feed.size
  }

  close(): void {
    this.#feed.close()
  }
}

const NOTHING = new Uint8Array(0)

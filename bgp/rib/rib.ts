// The RIB of one family behind its port: peers come and go here, and bulk work is dealt out by units.

import { compareOctets } from '../../inet/index.ts'
import type { Explanation } from '../policy/compile.ts'
import type {
  ChangeCursor,
  DecisionOptions,
  ExportExplanation,
  Family,
  NextHopState,
  Origination,
  PathView,
  PeerId,
  PrefixId,
  SetId,
  Table,
} from '../types.ts'
import { ChangeFeed } from './change-feed.ts'
import { ImportRules, importsAlike } from './import-rules.ts'
import type { LocRib } from './loc-rib.ts'
import { Originations } from './originations.ts'
import { DEAD, INELIGIBLE } from './paths.ts'
import { OctetFeed, RouteReader } from './octets.ts'
import type { Ceiling, Ineligible, OctetCursor, PeerPolicies, PeerTraits, PolicyWatcher, Rib } from './port.ts'
import { ROWS_PER_UNIT, Scans } from './scans.ts'
import { isFull, isOld, mayResume, type Session } from './sessions.ts'
import { attributesView, Views } from './views.ts'
import { uint32 } from '../wire/attributes.ts'
import { PATH_ID } from '../wire/nlri.ts'

/** A route as it is sent; good until the next one is asked for. */
export interface Told {
  readonly attributes: Uint8Array
  readonly nextHop: Uint8Array
  readonly from: Session
  readonly pathId: number | undefined
}

/** What the RIB asks of the update groups. */
export interface Downstream {
  peerUp(session: Session, traits: PeerTraits): void
  peerDown(session: Session): void
  /** The traits have changed in what they say of export. */
  setExport(session: Session, traits: PeerTraits): void
  refresh(session: Session): void
  /** Routes in the Adj-RIB-Out of the session. */
  sentTo(session: Session): number
  /** Whether prefixes wait because the session is told of as many as it may be. */
  isFullOut(session: Session): boolean
  /** What the session is told of a prefix, path by path. */
  told(session: Session, prefix: number): Iterable<Told>
  /** Whether the best path of a prefix goes to the session, or each one where it is sent several, and why. */
  explain(session: Session, prefix: number): Iterable<ExportExplanation & { readonly path: number }>
  /** Whether a table still names the slot as a source. */
  refersTo(slot: number): boolean
  readonly pending: boolean
  /** Does at most `units` of work; returns the units used. */
  work(units: number): number
  /** A round of work is over. */
  settled(): void
}

/** Units that each kind of work gets in turn, so that none waits for another to run dry. */
const TURN = 4096

export class FamilyRib implements Rib {
  readonly family: Family
  readonly #rib: LocRib
  readonly #groups: Downstream
  readonly #scans: Scans
  readonly #originations: Originations
  readonly #views: Views
  readonly #reader: RouteReader
  readonly #watchers = new Set<PolicyWatcher>()
  readonly #reserve: number
  readonly #feeds = new Map<string, ChangeFeed>()
  /** Ids of prefixes are left to be freed. */
  #freeing = false
  #deferred = false

  constructor(family: Family, rib: LocRib, groups: Downstream, reserve: number) {
    this.family = family
    this.#rib = rib
    this.#groups = groups
    this.#reserve = reserve
    this.#scans = new Scans(rib)
    this.#originations = new Originations(rib)
    this.#views = new Views(rib)
    this.#reader = new RouteReader(rib, groups)
  }

  // ---- peers --------------------------------------------------------------------------------------------------------

  peerUp(peer: PeerId, traits: PeerTraits): void {
    const suspended = this.#rib.sessions.of(peer)
    if (suspended && mayResume(suspended, traits)) return this.#resume(suspended, traits)
    this.peerDown(peer)
    const rules = this.#importRules(traits)
    if (traits.pathIds) this.#rib.paths.keepIds()
    const session = this.#rib.sessions.open(peer, traits, rules, slot => !this.#groups.refersTo(slot))
    this.#groups.peerUp(session, traits)
  }

  peerDown(peer: PeerId): void {
    const session = this.#rib.sessions.of(peer)
    if (!session) return
    this.#groups.peerDown(session)
    this.#rib.sessions.close(session)
    this.#scans.sweep(session)
  }

  peerAway(peer: PeerId, keepsStale = false): void {
    const session = this.#rib.sessions.of(peer)
    if (!session || session.away) return
    this.#groups.peerDown(session)
    // RFC 4724 §4.2: a second restart. What a refresh has marked and not brought yet may still be good.
    const isOver = session.staleBy === 'restart' && !keepsStale
    if (session.stale > 0 && (isOver || isOld(session))) this.#scans.sweepStale(session)
    if (!keepsStale) session.longLived = false
    this.#rib.sessions.suspend(session)
  }

  keepLong(peer: PeerId): void {
    const session = this.#rib.sessions.of(peer)
    if (!session) return
    session.longLived = true
    this.#scans.reimport(session)
  }

  beginRefresh(peer: PeerId): boolean {
    const session = this.#rib.sessions.of(peer)
    return session !== undefined && !session.away && this.#rib.sessions.renew(session)
  }

  sweepStale(peer: PeerId): void {
    const session = this.#rib.sessions.of(peer)
    if (!session) return
    if (session.stale > 0) this.#scans.sweepStale(session)
    session.longLived = false
  }

  setPolicies(peer: PeerId, policies: Partial<PeerPolicies>): void {
    const session = this.#rib.sessions.of(peer)
    const before = session?.traits
    if (!before) return
    const traits = { ...before, ...policies }
    session.traits = traits
    if (!importsAlike(before, traits)) {
      session.import = this.#importRules(traits)
      this.#scans.reimport(session)
    }
    this.#groups.setExport(session, traits)
  }

  setDecision(options: DecisionOptions): void {
    this.#rib.decision.options = options
    this.#scans.redecide()
  }

  refresh(peer: PeerId): void {
    const session = this.#rib.sessions.of(peer)
    if (session) this.#groups.refresh(session)
  }

  // ---- routes -------------------------------------------------------------------------------------------------------

  setCeiling(peer: PeerId, ceiling: Ceiling): void {
    const session = this.#rib.sessions.of(peer)
    if (session) session.ceiling = ceiling
  }

  intern(attributes: Uint8Array, from: number, to: number, nextHop: Uint8Array, peer?: PeerId): SetId {
    return this.#rib.sets.intern(attributes, from, to, nextHop, ownerOf(peer))
  }

  affords(peer: PeerId, octets: number): boolean {
    const { sets, sessions } = this.#rib
    return sets.charged(ownerOf(peer)) + octets <= (sessions.of(peer)?.ceiling.octets ?? Infinity)
  }

  release(set: SetId): void {
    this.#rib.sets.release(set)
  }

  announce(peer: PeerId, octets: Uint8Array, from: number, to: number, set: SetId, ineligible?: Ineligible) {
    const session = this.#rib.sessions.of(peer)
    if (!session) return undefined
    const { prefixes } = this.#rib
    const { pathIds } = session
    let refused: 'prefixes' | 'paths' | undefined
    let id = 0
    for (let at = from; at < to;) {
      if (pathIds) {
        id = uint32(octets, at)
        at += PATH_ID
      }
      at = prefixes.read(octets, at)
      if (isFull(session) && !this.#rib.hasRoom(session, prefixes.find(), id)) refused = 'prefixes'
      else if (pathIds && !this.#rib.makeRoom(session, prefixes.find(), id)) refused ??= 'paths'
      else this.#rib.put(session, prefixes.obtain(), set, ineligible, id)
    }
    return refused
  }

  withdraw(peer: PeerId, octets: Uint8Array, from: number, to: number): void {
    const session = this.#rib.sessions.of(peer)
    if (!session) return
    const { prefixes } = this.#rib
    const { pathIds } = session
    let id = 0
    for (let at = from; at < to;) {
      if (pathIds) {
        id = uint32(octets, at)
        at += PATH_ID
      }
      at = prefixes.read(octets, at)
      const prefix = prefixes.find()
      if (prefix !== 0) this.#rib.withdraw(session, prefix, id)
    }
  }

  originate(replace: Iterable<Origination>): void {
    this.#originations.replace(replace)
  }

  setNextHops(changes: Iterable<NextHopState>): void {
    if (this.#rib.nextHops.tell(changes)) this.#scans.recheckNextHops()
  }

  zone(name: string): number {
    return this.#rib.nextHops.zone(name)
  }

  // ---- bulk work ----------------------------------------------------------------------------------------------------

  defer(deferred: boolean): void {
    this.#deferred = deferred
  }

  get pending(): boolean {
    const { undecided, sets } = this.#rib
    const decides = !undecided.empty && !this.#deferred
    return this.#scans.pending || decides || this.#groups.pending || this.#freeing || sets.wasteful
  }

  work(units: number): boolean {
    let left = units
    while (left > 0) {
      const before = left
      left -= this.#scans.work(Math.min(left, TURN))
      if (!this.#deferred) left -= this.#rib.decide(Math.min(left, TURN))
      left -= this.#groups.work(left)
      if (left === before) break
    }
    if (left > 0 && this.#rib.sets.wasteful) this.#rib.sets.compact(left)
    this.#freeing = this.#rib.free(units)
    this.#groups.settled()
    return this.pending
  }

  // ---- reading ------------------------------------------------------------------------------------------------------

  received(peer: PeerId): { readonly all: number; readonly accepted: number } {
    const session = this.#rib.sessions.of(peer)
    return { all: session?.paths ?? 0, accepted: session?.accepted ?? 0 }
  }

  stale(peer: PeerId): number {
    return this.#rib.sessions.of(peer)?.stale ?? 0
  }

  sent(peer: PeerId): number {
    const session = this.#rib.sessions.of(peer)
    return session ? this.#groups.sentTo(session) : 0
  }

  isFullOut(peer: PeerId): boolean {
    const session = this.#rib.sessions.of(peer)
    return session !== undefined && this.#groups.isFullOut(session)
  }

  changes(reader: string): ChangeCursor {
    return this.#feed(reader)
  }

  octetChanges(reader: string): OctetCursor {
    return new OctetFeed(this.#rib, this.#feed(reader), this.#reader)
  }

  watchPolicy(watcher: PolicyWatcher): () => void {
    this.#watchers.add(watcher)
    this.#rib.judged = (session, path, set) => {
      for (const told of this.#watchers) told(this.#reader.ofPath(path, session, set))
    }
    return () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) this.#rib.judged = undefined
    }
  }

  slice(table: Table, peer: PeerId | null | 'every', from: PrefixId, units: number, each: PolicyWatcher): PrefixId {
    const { prefixes } = this.#rib
    let id = Math.max(1, from)
    for (let left = units; id < prefixes.end && left > 0; id++, left--) {
      if (prefixes.has(id)) this.#reader.each(table, peer, id, each)
    }
    return (id < prefixes.end ? id : 0) as PrefixId
  }

  get size(): number {
    return this.#rib.prefixes.size
  }

  #feed(reader: string): ChangeFeed {
    this.#feeds.get(reader)?.close()
    const feed = new ChangeFeed(this.#rib, this.#reserve, () => {
      if (this.#feeds.get(reader) === feed) this.#feeds.delete(reader)
    })
    this.#feeds.set(reader, feed)
    return feed
  }

  lookup(prefix: string): PrefixId | undefined {
    const { prefixes } = this.#rib
    const id = prefixes.readText(prefix) ? prefixes.find() : 0
    return id === 0 ? undefined : (id as PrefixId)
  }

  paths(prefix: PrefixId): PathView[] {
    return this.#rib.prefixes.has(prefix) ? this.#views.paths(prefix) : []
  }

  explainExport(peer: PeerId, prefix: PrefixId): Explanation | undefined {
    const best = this.#rib.prefixes.best[prefix]
    const said = this.#explained(peer, prefix).find(({ path }) => path === best)
    return said && { accepted: said.accepted, text: said.text }
  }

  explainExports(peer: PeerId, prefix: PrefixId): ExportExplanation[] {
    const said = this.#explained(peer, prefix)
    const rows = said.map(({ from, pathId, accepted, text }) => ({ from, pathId, accepted, text }))
    return rows.toSorted((a, b) => (a.pathId ?? 0) - (b.pathId ?? 0))
  }

  #explained(peer: PeerId, prefix: number) {
    const session = this.#rib.sessions.of(peer)
    return session && this.#rib.prefixes.has(prefix) ? [...this.#groups.explain(session, prefix)] : []
  }

  walk(table: Table, peer: PeerId | null, from: PrefixId, units: number) {
    const { prefixes } = this.#rib
    const rows: PathView[] = []
    let id = Math.max(1, from)
    for (let looked = 0; id < prefixes.end && rows.length < units && looked < units * ROWS_PER_UNIT; id++, looked++) {
      if (!prefixes.has(id)) continue
      rows.push(...[...this.#rows(table, peer, id)].toSorted((a, b) => (a.pathId ?? 0) - (b.pathId ?? 0)))
    }
    return { rows, next: (id < prefixes.end ? id : 0) as PrefixId }
  }

  /** The rows of a table for one prefix: several, where paths have identifiers. */
  *#rows(table: Table, peer: PeerId | null, prefix: number): Generator<PathView> {
    const { prefixes, paths, sessions } = this.#rib
    if (table === 'loc') {
      const set = this.#rib.bestSet(prefix)
      if (set > 0) yield this.#views.path(prefixes.best[prefix], set)
      return
    }
    const session = peer === null ? sessions.local : sessions.of(peer)
    if (!session) return
    if (table === 'out') {
      for (const { attributes, nextHop, from, pathId } of this.#groups.told(session, prefix)) {
        const about = { prefix: prefixes.text(prefix), peer: from.name, pathId }
        yield attributesView(attributes, 0, attributes.length, this.#rib.nextHops.textOf(nextHop), about)
      }
      return
    }
    for (let path = prefixes.firstPath[prefix]; path !== 0; path = paths.next[path]) {
      if (paths.slot[path] !== session.slot || paths.flags[path] & DEAD) continue
      if (table === 'accepted') {
        const set = paths.flags[path] & INELIGIBLE ? 0 : paths.accepted[path]
        if (set !== 0) yield this.#views.path(path, set)
        continue
      }
      const view = this.#views.path(path, paths.received[path])
      view.reason = this.#views.refusal(path)
      yield view
    }
  }

  #resume(session: Session, traits: PeerTraits): void {
    const before = session.traits
    if (compareOctets(session.address, traits.address) !== 0) this.#scans.redecide()
    this.#rib.sessions.resume(session, traits)
    if (traits.pathIds) this.#rib.paths.keepIds()
    const sameHop = before !== undefined && compareOctets(before.nextHopSelf, traits.nextHopSelf) === 0
    if (!sameHop || !importsAlike(before, traits)) {
      session.import = this.#importRules(traits)
      this.#scans.reimport(session)
    }
    this.#groups.peerUp(session, traits)
  }

  #importRules(traits: PeerTraits): ImportRules {
    return new ImportRules(this.#rib.sets, this.#rib.prefixes, traits)
  }
}

/** Who is charged with attribute sets; 0 = nobody. A peer is, across its sessions. */
function ownerOf(peer: PeerId | undefined): number {
  return peer === undefined ? 0 : peer + 1
}

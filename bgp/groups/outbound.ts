// The sending half of one family: which group a session belongs to, who has something to pull, and End-of-RIB.

import type { LocRib } from '../rib/loc-rib.ts'
import type { Downstream, Told } from '../rib/rib.ts'
import type { PeerTraits } from '../rib/port.ts'
import type { Session } from '../rib/sessions.ts'
import type { ExportExplanation, Family, PeerId } from '../types.ts'
import { encodeRefresh } from '../wire/refresh.ts'
import { UpdateWriter } from '../wire/update-writer.ts'
import { ChunkPool } from './chunks.ts'
import { BestGroup } from './best-group.ts'
import { ExportRules, groupKey, selectionOf, shapeOf } from './export-rules.ts'
import type { Group, Limits } from './group.ts'
import { Member } from './member.ts'
import { Outgoing } from './outgoing.ts'
import { PathGroup, PathNlri } from './path-group.ts'
import type { ChunkSink, Outbound } from './port.ts'

/** A chain of marks that a new session has to see passed before its End-of-RIB: decided, evaluated, handed over. */
interface Dump {
  stage: 'decide' | 'evaluate' | 'send'
  /** Prefixes taken from the queue of the stage, or index in the ring. */
  mark: number
}

/**
 * A refresh that goes between BoRR and EoRR (RFC 7313 §4): asked for, then the walk of the table, then the ring up to where
 * it was at the end of the walk, so that everything has come again before the end is told.
 */
type Refresh = 'asked' | 'walk' | number

/** Chunks that nobody holds, for all families and all speakers of the process. */
const pool = new ChunkPool()

export class GroupTables implements Outbound, Downstream {
  readonly #rib: LocRib
  readonly #family: Family
  readonly #clusterId: number
  readonly #limits: Limits
  readonly #reserve: number
  readonly #groups = new Map<string, Group>()
  readonly #closing: Group[] = []
  readonly #members: (Member | undefined)[] = []
  readonly #dumps = new Map<Member, Dump>()
  readonly #refreshes = new Map<Member, Refresh>()
  readonly #outgoing: Outgoing
  readonly #endOfRib: Uint8Array
  readonly #beginOfRefresh: Uint8Array
  readonly #endOfRefresh: Uint8Array
  #ready: Member[] = []
  #complete = true

  constructor(rib: LocRib, family: Family, clusterId: number, limits: Limits, reserve: number) {
    this.#rib = rib
    this.#family = family
    this.#clusterId = clusterId
    this.#limits = limits
    this.#reserve = reserve
    this.#outgoing = new Outgoing(rib.sets, rib.sessions)
    this.#endOfRib = new UpdateWriter(family, rib.prefixes).endOfRib()
    this.#beginOfRefresh = encodeRefresh(family, 'begin')
    this.#endOfRefresh = encodeRefresh(family, 'end')
  }

  // ---- Outbound -----------------------------------------------------------------------------------------------------

  pull(peer: PeerId, sink: ChunkSink): boolean {
    const member = this.#members[peer]
    if (!member) return false
    const { group } = member
    this.#beginRefresh(member, sink)
    let more = member.pull(sink)
    this.#closeEmpty()
    this.#endRefresh(member, sink)
    if (more) return true
    group.flush(this.#limits.slice)
    more = member.hasMore
    if (more || !this.#dumped(member)) return more
    this.#dumps.delete(member)
    sink.chunk(this.#endOfRib, 1, () => {})
    return this.#refreshes.has(member)
  }

  /** RFC 7313 §4: not before End-of-RIB. */
  #beginRefresh(member: Member, sink: ChunkSink): void {
    if (this.#refreshes.get(member) !== 'asked' || this.#dumps.has(member)) return
    sink.chunk(this.#beginOfRefresh, 1, () => {})
    member.refresh()
    this.#refreshes.set(member, 'walk')
  }

  #endRefresh(member: Member, sink: ChunkSink): void {
    let at = this.#refreshes.get(member)
    if (at === undefined || at === 'asked' || !member.walked) return
    if (at === 'walk') this.#refreshes.set(member, (at = member.group.ring.end))
    if (member.index < at) return
    this.#refreshes.delete(member)
    sink.chunk(this.#endOfRefresh, 1, () => {})
  }

  takeReady(): readonly PeerId[] {
    const ready = this.#ready
    this.#ready = []
    const peers: PeerId[] = []
    for (const member of ready) {
      member.ready = false
      if (member.session.peer !== null && !member.session.down) peers.push(member.session.peer)
    }
    return peers
  }

  setComplete(complete: boolean): void {
    if (complete && !this.#complete) {
      for (const dump of this.#dumps.values()) this.#restart(dump)
    }
    this.#complete = complete
    this.#wakeDumped()
  }

  // ---- Downstream ---------------------------------------------------------------------------------------------------

  peerUp(session: Session, traits: PeerTraits): void {
    if (session.peer === null) return
    const member = new Member(session, this.#groupFor(traits), pool, this.#wake)
    this.#members[session.peer] = member
    this.#dumps.set(member, { stage: 'decide', mark: this.#rib.undecided.put })
    member.wake()
  }

  peerDown(session: Session): void {
    if (session.peer === null) return
    const member = this.#members[session.peer]
    if (!member) return
    this.#members[session.peer] = undefined
    this.#dumps.delete(member)
    this.#refreshes.delete(member)
    member.leave()
    this.#closeEmpty()
  }

  setExport(session: Session, traits: PeerTraits): void {
    const member = session.peer === null ? undefined : this.#members[session.peer]
    if (!member) return
    const group = this.#groupFor(traits)
    if (group === member.group) return
    member.move(group)
    const dump = this.#dumps.get(member)
    if (typeof this.#refreshes.get(member) === 'number') this.#refreshes.set(member, 'walk')
    if (dump) this.#restart(dump) // its mark counts in the group before
  }

  refresh(session: Session): void {
    const member = session.peer === null ? undefined : this.#members[session.peer]
    if (!member) return
    if (!session.traits?.enhancedRefresh) return member.refresh()
    this.#refreshes.set(member, 'asked')
    member.wake()
  }

  sentTo(session: Session): number {
    const member = session.peer === null ? undefined : this.#members[session.peer]
    return member ? member.group.sentTo(session.slot) : 0
  }

  isFullOut(session: Session): boolean {
    const member = session.peer === null ? undefined : this.#members[session.peer]
    return member?.group.isFull ?? false
  }

  /** What the session was or will be told of a prefix. */
  *told(session: Session, prefix: number): Generator<Told> {
    const group = session.peer === null ? undefined : this.#members[session.peer]?.group
    if (!group) return
    const outgoing = this.#outgoing
    for (const row of group.rowsOf(prefix)) {
      if (row >= group.set.length || group.set[row] === 0 || group.source[row] === session.slot) continue
      outgoing.show(group.shape, group.set[row], group.source[row])
      const { octets, length, nextHop } = outgoing
      const from = this.#rib.sessions.at(group.source[row])
      yield { attributes: octets.subarray(0, length), nextHop, from, pathId: group.pathId(row) }
    }
  }

  *explain(session: Session, prefix: number): Generator<ExportExplanation & { readonly path: number }> {
    const { paths, sessions } = this.#rib
    const group = session.peer === null ? undefined : this.#members[session.peer]?.group
    if (!group) return
    for (const path of group.pathsOf(prefix)) {
      const from = sessions.at(paths.slot[path])
      const own = { accepted: false, text: 'not sent: it came from this peer' }
      const { accepted, text } = from.slot === session.slot ? own : group.explain(prefix, path)
      yield { path, from: from.name, pathId: group.pathId(path), accepted, text }
    }
  }

  refersTo(slot: number): boolean {
    for (const group of this.#groups.values()) if (group.refersTo(slot)) return true
    return false
  }

  get pending(): boolean {
    if (this.#closing.length > 0) return true
    for (const group of this.#groups.values()) if (group.pending) return true
    return false
  }

  work(units: number): number {
    let used = 0
    for (const group of this.#groups.values()) {
      if (used >= units) break
      used += group.flush(Math.min(units - used, this.#limits.slice))
    }
    const closing = this.#closing[0]
    if (closing && used < units) {
      if (!closing.close((units - used) * ROWS_PER_UNIT)) this.#closing.shift()
      used = units
    }
    return used
  }

  settled(): void {
    this.#wakeDumped()
  }

  // -------------------------------------------------------------------------------------------------------------------

  readonly #wake = (member: Member): void => {
    member.ready = true
    this.#ready.push(member)
  }

  #groupFor(traits: PeerTraits): Group {
    const rib = this.#rib
    const shape = shapeOf(traits, this.#clusterId, this.#family === 'ipv4-unicast' && !traits.extendedNextHop)
    const key = groupKey(traits, shape)
    let group = this.#groups.get(key)
    if (group) return group
    const outgoing = this.#outgoing
    const selection = selectionOf(traits)
    const nlri = selection ? new PathNlri(rib) : rib.prefixes
    const writer = new UpdateWriter(this.#family, nlri, traits.extendedMessages, shape.classic)
    const rules = new ExportRules(rib, shape, traits, (set, slot) => {
      outgoing.make(shape, set, slot)
      if (shape.classic && outgoing.nextHop.length !== 4) return false // RFC 8950 §4
      return outgoing.length <= writer.roomForAttributes(outgoing.nextHop.length)
    })
    const parts = {
      key,
      shape,
      rib,
      rules,
      outgoing,
      writer,
      pool,
      limits: this.#limits,
      reserve: this.#reserve,
      most: traits.mostOut,
    }
    group = selection ? new PathGroup(parts, selection) : new BestGroup(parts)
    this.#groups.set(key, group)
    return group
  }

  #closeEmpty(): void {
    for (const group of this.#groups.values()) {
      if (group.members.size > 0 || group.leavers.size > 0) continue
      this.#groups.delete(group.key)
      this.#closing.push(group)
    }
  }

  /** Whether everything that was there when the session came up has been handed over. */
  #dumped(member: Member): boolean {
    const dump = this.#dumps.get(member)
    if (!dump || !this.#complete) return false
    const { queue, ring } = member.group
    if (dump.stage === 'decide') {
      if (this.#rib.undecided.taken < dump.mark) return false
      dump.stage = 'evaluate'
      dump.mark = queue.put
    }
    if (dump.stage === 'evaluate') {
      if (queue.filling || queue.taken < dump.mark) return false
      dump.stage = 'send'
      dump.mark = ring.end
    }
    return member.index >= dump.mark && !member.hasMore
  }

  #restart(dump: Dump): void {
    dump.stage = 'decide'
    dump.mark = this.#rib.undecided.put
  }

  #wakeDumped(): void {
    // One whose ring holds only what is not for it has nothing to pull, but has to get past that.
    for (const member of this.#dumps.keys()) {
      if (!member.ready && (this.#dumped(member) || (this.#complete && member.hasMore))) member.wake()
    }
  }
}

/** Rows of a column that are looked at for the price of one prefix. */
const ROWS_PER_UNIT = 16

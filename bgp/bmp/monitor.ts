// What one monitoring station is told while it is connected: first all there is, in slices as it takes them, then what changes.
//
// Messages of the peers and to them pass on as they are; what import policy makes of routes, and the Loc-RIB, are written anew.
// Nothing here knows a socket: octets go to an outlet that says how much waits.

import { OctetWriter } from '../octet-writer.ts'
import type { Engine } from '../core/engine.ts'
import { addressOctets } from '../route-octets.ts'
import type { OctetCursor, RouteOctets } from '../rib/port.ts'
import type { TappedConnection } from '../session/tap.ts'
import type { Family, PeerId, PrefixId, Table } from '../types.ts'
import { families as allFamilies, numbersOf } from '../wire/family.ts'
import { UPDATE } from '../wire/header.ts'
import { encodeOpen } from '../wire/open.ts'
import * as bmp from './messages.ts'
import { asWithdrawal, endOfRib, UpdatePacker } from './updates.ts'

export interface MonitorOptions {
  readonly sysName: string
  readonly sysDescr: string
  /** What is told: `pre` and `post` import policy, `out` (Adj-RIB-Out), `loc` (Loc-RIB). */
  readonly views: readonly bmp.View[]
  readonly mirror: boolean
  readonly now: () => number
}

/** Where octets go. */
export interface Outlet {
  /** Octets that wait to be taken. */
  waiting(): number
  write(octets: Uint8Array): void
}

/** Octets waiting below which more of the tables is read. */
const ROOM = 128 * 1024
/** Prefixes a turn. */
const SLICE = 2048

/** A table to be told as it is, whole. */
interface Job {
  readonly view: Exclude<bmp.View, 'loc'>
  readonly family: Family
  readonly peer: PeerId | 'every'
  /** Who gets an End-of-RIB at its end. */
  readonly peers: readonly Monitored[]
  at: PrefixId
}

/** The Loc-RIB of a family; `begun`: all that there was is told. */
interface Feed {
  readonly family: Family
  readonly cursor: OctetCursor
  begun: boolean
}

/** A peer that the station knows to be up. */
interface Monitored {
  readonly connection: TappedConnection
  readonly peer: bmp.BmpPeer
}

const families = allFamilies.map(({ family }) => family)
const tables: { readonly [V in Job['view']]: Table } = { pre: 'in', post: 'accepted', out: 'out' }
let monitors = 0

export class Monitor {
  readonly #engine: Engine
  readonly #outlet: Outlet
  readonly #options: MonitorOptions
  readonly #out = new OctetWriter()
  readonly #peers = new Map<PeerId, Monitored>()
  readonly #jobs: Job[] = []
  readonly #ends: (() => void)[] = []
  readonly #feeds: Feed[] = []
  readonly #local: bmp.BmpPeer
  readonly #post: UpdatePacker<Monitored>
  readonly #loc: UpdatePacker<true>

  constructor(engine: Engine, outlet: Outlet, options: MonitorOptions) {
    this.#engine = engine
    this.#outlet = outlet
    this.#options = options
    const { asn = 0, routerId = '0.0.0.0' } = engine.config ?? {}
    const id = addressOctets(routerId)
    this.#local = { address: new Uint8Array(0), asn, routerId: new DataView(id.buffer, id.byteOffset).getUint32(0) }
    this.#post = new UpdatePacker((monitored, update) => this.#tell(monitored, 'post', update))
    this.#loc = new UpdatePacker((_, update) => bmp.routeMonitoring(this.#out, this.#aboutLoc(), update))
    bmp.initiation(this.#out, options.sysName, options.sysDescr)
    for (const connection of engine.sessions()) this.#up(connection)
    if (this.#has('loc')) this.#followLoc()
    for (const view of ['pre', 'post', 'out'] as const)
      if (this.#has(view)) this.#queue(view, [...this.#peers.values()])
    this.#attach()
    this.pump()
  }

  /** Tells as much as there is room for; true if there is more to tell at once. */
  pump(): boolean {
    this.#post.flush()
    this.#deliver()
    let units = SLICE
    while (units > 0 && this.#outlet.waiting() < ROOM && this.#jobs.length > 0)
      units -= this.#work(this.#jobs[0], units)
    for (const feed of this.#feeds) units -= this.#read(feed, units)
    this.#loc.flush()
    this.#deliver()
    return units <= 0 && this.#outlet.waiting() < ROOM
  }

  /** §4.8, for every peer that is up and for the Loc-RIB. */
  report(): void {
    const { statistics: kinds } = bmp
    const counters = new Map(this.#engine.counters().map(row => [row.name, row]))
    for (const { connection } of this.#peers.values()) {
      const rows = connection.families.map(family => ({ afi: numbersOf(family).afi, rib: this.#engine.rib(family) }))
      const ins = rows.map(({ afi, rib }) => ({ afi, gauge: rib.received(connection.peer).all }))
      const outs = rows.map(({ afi, rib }) => ({ afi, gauge: rib.sent(connection.peer) }))
      bmp.statisticsReport(this.#out, this.#about(connection.peer, 'pre'), [
        { type: kinds.adjRibIn, gauge: total(ins) },
        ...ins.map(row => ({ type: kinds.adjRibInOf, ...row })),
        { type: kinds.treatedAsWithdraw, counter: counters.get(connection.name)?.incidents.withdraw ?? 0 },
        { type: kinds.adjRibOut, gauge: total(outs) },
        ...outs.map(row => ({ type: kinds.adjRibOutOf, ...row })),
      ])
    }
    if (this.#feeds.length > 0) {
      const rows = this.#feeds.map(({ family, cursor }) => ({ afi: numbersOf(family).afi, gauge: cursor.size }))
      bmp.statisticsReport(this.#out, this.#aboutLoc(), [
        { type: kinds.locRib, gauge: total(rows) },
        ...rows.map(row => ({ type: kinds.locRibOf, ...row })),
      ])
    }
    this.#deliver()
  }

  /** Nothing is told any more; with a reason it is the last message (§4.5). */
  stop(reason?: number): void {
    for (const end of this.#ends.splice(0)) end()
    for (const { cursor } of this.#feeds.splice(0)) cursor.close()
    this.#jobs.length = 0
    if (reason === undefined) return
    this.#post.flush()
    bmp.termination(this.#out, reason)
    this.#deliver()
  }

  // ---- peers -----------------------------------------------------------------------------------------------------

  #attach(): void {
    const { mirror, now } = this.#options
    const end = this.#engine.tap({
      up: connection => this.#cameUp(connection),
      down: (connection, ending) => {
        if (!this.#peers.has(connection.peer)) return
        this.#post.flush()
        bmp.peerDown(this.#out, this.#about(connection.peer, 'pre'), ending)
        this.#peers.delete(connection.peer)
        this.#deliver()
      },
      received: mirror
        ? (connection, octets, from, to) => {
            const monitored = this.#peers.get(connection.peer)
            if (!monitored) return
            const about = { peer: monitored.peer, view: 'pre', time: now() } as const
            bmp.routeMirroring(this.#out, { ...about, twoOctetAs: !connection.fourOctetAs }, octets.subarray(from, to))
          }
        : undefined,
      updated: (connection, octets, from, to, treatment, decoder) => {
        const monitored = this.#peers.get(connection.peer)
        if (!monitored) return
        const whole = octets.subarray(from, to)
        const told = treatment === 'withdraw' ? asWithdrawal(decoder, octets) : whole
        if (this.#has('pre')) this.#tell(monitored, 'pre', told, !connection.fourOctetAs)
        if (!decoder.endOfRib || !this.#has('post')) return
        this.#post.flush()
        this.#tell(monitored, 'post', whole)
      },
      sent: this.#has('out') ? (connection, octets) => this.#sent(connection, octets) : undefined,
    })
    this.#ends.push(end)
    if (!this.#has('post')) return
    for (const family of families) {
      const watch = (route: RouteOctets) => {
        const monitored = route.peer === null ? undefined : this.#peers.get(route.peer)
        if (monitored) this.#post.add(monitored, family, route)
      }
      this.#ends.push(this.#engine.rib(family).watchPolicy(watch))
    }
  }

  #up(connection: TappedConnection): Monitored {
    const { remote, remoteAs, routerId, local, localPort, remotePort, openSent, openReceived } = connection
    const peer = { address: addressOctets(remote), asn: remoteAs, routerId }
    const monitored = { connection, peer }
    this.#peers.set(connection.peer, monitored)
    bmp.peerUp(
      this.#out,
      { peer, view: 'pre', time: connection.since },
      {
        local: addressOctets(local),
        localPort,
        remotePort,
        openSent: openSent ?? new Uint8Array(0),
        openReceived: openReceived ?? new Uint8Array(0),
      },
    )
    return monitored
  }

  /** Routes that were kept over a restart of the peer are there already, and nobody sends them again. */
  #cameUp(connection: TappedConnection): void {
    const monitored = this.#up(connection)
    const kept = connection.families.some(family => this.#engine.rib(family).received(connection.peer).all > 0)
    if (!kept) return
    for (const view of ['pre', 'post'] as const) if (this.#has(view)) this.#queue(view, [monitored], connection.peer)
  }

  /** UPDATEs among what goes out. */
  #sent(connection: TappedConnection, octets: Uint8Array): void {
    const monitored = this.#peers.get(connection.peer)
    if (!monitored) return
    for (let at = 0; at < octets.length;) {
      const length = (octets[at + 16] << 8) | octets[at + 17]
      if (octets[at + 18] === UPDATE) {
        this.#tell(monitored, 'out', octets.subarray(at, at + length), !connection.fourOctetAs)
      }
      at += length
    }
  }

  // ---- tables ----------------------------------------------------------------------------------------------------

  #queue(view: Job['view'], peers: readonly Monitored[], only?: PeerId): void {
    for (const family of families) {
      const having = peers.filter(({ connection }) => connection.families.includes(family))
      if (having.length === 0) continue
      const first = 1 as PrefixId
      if (view !== 'out') {
        this.#jobs.push({ view, family, peer: only ?? 'every', peers: having, at: first })
        continue
      }
      for (const one of having) this.#jobs.push({ view, family, peer: one.connection.peer, peers: [one], at: first })
    }
  }

  #work(job: Job, units: number): number {
    const { view, family, peer, peers } = job
    const packer = new UpdatePacker<Monitored>((monitored, update) => this.#tell(monitored, view, update))
    const one = peer === 'every' ? undefined : peers[0]
    const slice = Math.min(units, 256)
    job.at = this.#engine.rib(family).slice(tables[view], peer, job.at, slice, route => {
      // A route that goes out is its sender's; the table is that of the peer it goes to.
      const monitored = one ?? (route.peer === null ? undefined : this.#peers.get(route.peer))
      if (monitored && this.#peers.get(monitored.connection.peer) === monitored) packer.add(monitored, family, route)
    })
    packer.flush()
    if (job.at === 0) {
      this.#jobs.shift()
      for (const monitored of peers) {
        if (this.#peers.get(monitored.connection.peer) === monitored) this.#tell(monitored, view, endOfRib(family))
      }
    }
    this.#deliver()
    return slice
  }

  /** RFC 9069: a peer that is this speaker, with OPEN messages that say what its routes need. */
  #followLoc(): void {
    const { asn, routerId } = this.#local
    const capabilities = families.map(family => ({ kind: 'multiprotocol', ...numbersOf(family) }) as const)
    const open = encodeOpen({
      asn,
      routerId,
      holdTime: 0,
      capabilities: [...capabilities, { kind: 'fourOctetAs', asn }],
    })
    const none = new Uint8Array(0)
    const ends = { local: none, localPort: 0, remotePort: 0, openSent: open, openReceived: open }
    bmp.peerUp(this.#out, this.#aboutLoc(), ends)
    const name = `bmp-${monitors++}`
    for (const family of families) {
      this.#feeds.push({ family, cursor: this.#engine.rib(family).octetChanges(name), begun: false })
    }
  }

  #read(feed: Feed, units: number): number {
    const { family, cursor } = feed
    let used = 0
    for (; used < units && this.#outlet.waiting() + this.#out.length < ROOM; used++) {
      if (cursor.next(this.#route)) {
        this.#loc.add(true, family, this.#route)
        continue
      }
      if (feed.begun) break
      feed.begun = true
      this.#loc.flush()
      bmp.routeMonitoring(this.#out, this.#aboutLoc(), endOfRib(family))
      break
    }
    return used
  }

  readonly #route: RouteOctets = {
    nlri: new Uint8Array(0),
    peer: null,
    pathId: undefined,
    attributes: undefined,
    nextHop: new Uint8Array(0),
  }

  // ---- telling ---------------------------------------------------------------------------------------------------

  #has(view: bmp.View): boolean {
    return this.#options.views.includes(view)
  }

  #tell({ peer }: Monitored, view: bmp.View, update: Uint8Array, twoOctetAs = false): void {
    bmp.routeMonitoring(this.#out, { peer, view, time: this.#options.now(), twoOctetAs }, update)
    if (this.#out.length >= ROOM) this.#deliver()
  }

  #about(peer: PeerId, view: bmp.View): bmp.About {
    return { peer: this.#peers.get(peer)?.peer ?? this.#local, view, time: this.#options.now() }
  }

  #aboutLoc(): bmp.About {
    return { peer: this.#local, view: 'loc', time: this.#options.now() }
  }

  #deliver(): void {
    if (this.#out.length > 0) this.#outlet.write(this.#out.take())
  }
}

function total(rows: readonly { readonly gauge: number }[]): number {
  return rows.reduce((sum, { gauge }) => sum + gauge, 0)
}

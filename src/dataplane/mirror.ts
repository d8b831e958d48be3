// The mirror: what the kernel holds, as far as we have been told: links, addresses, our routes, others' routes.
//
// It is filled by dumps and kept by events. Its one writer besides them is the route table, which notes what the kernel acknowledged:
// of IPv4 nothing else tells what we write ourselves; of IPv6 the mirror may run ahead of the events, and when they have drained, both
// agree. The kernel flushes IPv4 routes without a word, so whoever uses the mirror for deletes must `reread` after a link or address
// event.

import { isDeepStrictEqual } from 'node:util'
import { keyOf, type PrefixKey, PrefixMap } from '../../inet/index.ts'
import type { InterfaceAddress, Link, NetlinkEvent, Route, Rtnetlink } from '../../netlink/types.ts'
import { nextTurn } from './clock.ts'
import { isJoinable, isMarked, mainTable, type Mark, metricOf, restOf, sameRoute, sameWay } from './routes/route.ts'

export type MirrorChange =
  /** A route came, changed or went by an event, ours or foreign. `hit`: what was ours there is gone or other now, and not by us. */
  | { readonly what: 'route'; readonly prefix: string; readonly hit?: Hit }
  /** A link or an address of it came, changed or went: routes through it may be gone silently. */
  | {
      readonly what: 'link'
      readonly link: Link
      readonly gone: boolean
      readonly renamed: boolean
      /** All that is new of it is that it has a carrier: no route goes with that. */
      readonly isRise?: true
    }
  | { readonly what: 'address'; readonly address: InterfaceAddress; readonly gone: boolean }
  /** Events were lost: all of it must be read again. */
  | { readonly what: 'overrun' }

/** The route that is in the place of ours now, if one is. */
export interface Hit {
  readonly by?: Route
}

/** Routes looked at before other work gets its turn. */
const unitsPerTurn = 4096

const none: readonly Route[] = []

const forwarding = new Set<Route['type']>([undefined, 'unicast', 'blackhole', 'unreachable', 'prohibit', 'throw'])

export class KernelMirror {
  readonly mark: Mark
  readonly #kernel: Rtnetlink
  readonly #listeners = new Set<(change: MirrorChange) => void>()
  readonly #links = new Map<number, Link>()
  readonly #linkNames = new Map<string, Link>()
  /** Links whose own events are still to come: until then, events of a namesake are older than they. */
  readonly #noted = new Set<number>()
  readonly #addresses = new Map<string, InterfaceAddress>()
  #ours = new PrefixMap<Route>()
  /** IPv4: further routes under our mark, behind ours (`ip route append`), as far as a reading has shown them. */
  #twins = new PrefixMap<readonly Route[]>()
  /** IPv6: routes of ours of several next hops whose owner the kernel has told for the first only. */
  #mixed = new Set<string>()
  /** IPv6: the next hop of ours that is being taken away alone. */
  readonly #probed = new Map<string, Route>()
  #foreign = new PrefixMap<readonly Route[]>()
  /** How many next hops leave by a link, ours and others'. */
  #uses = new Map<number, number>()
  /** The same of ours alone. */
  #ourUses = new Map<number, number>()
  /** Prefixes that events changed while a dump was under way: there the events are younger. */
  #touched: Set<string> | undefined
  /** Links and addresses that came, changed or went while a dump of them was under way: there it is older. */
  #young: { readonly links: Set<number>; readonly addresses: Set<string> } | undefined
  #unwatch: (() => Promise<void>) | undefined

  private constructor(kernel: Rtnetlink, mark: Mark) {
    this.#kernel = kernel
    this.mark = mark
  }

  /** Subscribes first and dumps afterwards, so nothing is missed. */
  static async open(kernel: Rtnetlink, mark: Mark): Promise<KernelMirror> {
    const mirror = new KernelMirror(kernel, mark)
    mirror.#unwatch = await kernel.watch(['link', 'address4', 'address6', 'route4', 'route6'], event =>
      mirror.#take(event),
    )
    try {
      await mirror.rereadLinks()
      await mirror.rereadRoutes()
    } catch (error) {
      await mirror.close()
      throw error
    }
    return mirror
  }

  async close(): Promise<void> {
    const unwatch = this.#unwatch
    this.#unwatch = undefined
    await unwatch?.()
  }

  /** Calls back on every change that an event or a new reading made, until the returned function is called. */
  onChange(listener: (change: MirrorChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get links(): Iterable<Link> {
    return this.#links.values()
  }

  get addresses(): Iterable<InterfaceAddress> {
    return this.#addresses.values()
  }

  link(index: number): Link | undefined {
    return this.#links.get(index)
  }

  linkNamed(name: string): Link | undefined {
    return this.#linkNames.get(name)
  }

  /** Our route for the prefix. */
  ours(prefix: string | PrefixKey): Route | undefined {
    return this.#ours.get(prefix)
  }

  get oursCount(): number {
    return this.#ours.size
  }

  /** Prefixes of our routes. */
  get oursPrefixes(): Iterable<PrefixKey> {
    return this.#ours.keys()
  }

  /** Routes under our mark that somebody has put beside ours. */
  twins(prefix: string | PrefixKey): readonly Route[] {
    return this.#twins.get(prefix) ?? none
  }

  /** IPv6: others may have a part in our route. */
  isMixed(prefix: string): boolean {
    return this.#mixed.size > 0 && this.#mixed.has(prefix)
  }

  foreign(prefix: string | PrefixKey): readonly Route[] {
    return this.#foreign.get(prefix) ?? none
  }

  *foreignRoutes(): Iterable<Route> {
    for (const routes of this.#foreign.values()) yield* routes
  }

  /** True if a route that the kernel may flush with the device leaves by it. */
  usesLink(index: number): boolean {
    return this.#uses.has(index)
  }

  /** True if a route of ours leaves by it. */
  carriesOurs(index: number): boolean {
    return this.#ourUses.has(index)
  }

  /** A link that was just made, ahead of its event. */
  noteLink(link: Link): void {
    const namesake = this.#linkNames.get(link.name)
    if (namesake) this.#noted.delete(namesake.index)
    const heard = this.#links.has(link.index)
    this.#young?.links.add(link.index)
    this.#putLink(link)
    if (!heard) this.#noted.add(link.index)
  }

  /** The kernel acknowledged our route. */
  noteWritten(route: Route, key: PrefixKey): void {
    this.noteWhole(route.dst)
    this.#setOurs(key, route)
  }

  /** Our route is what we want, next hop by next hop: nobody else is taken to have a part in it. */
  noteWhole(prefix: string): void {
    if (this.#mixed.size > 0) this.#mixed.delete(prefix)
  }

  /** This next hop alone will be taken out of our route. */
  noteProbed(route: Route): void {
    this.#probed.set(route.dst, route)
  }

  /** What the kernel said to that: it was ours, or it is another's. */
  noteProbe(route: Route, answer: 'gone' | 'foreign' | 'unknown'): void {
    const prefix = route.dst
    this.#probed.delete(prefix)
    const ours = this.#ours.get(prefix)
    const rest = ours && restOf(ours, route)
    if (!rest || answer === 'unknown') return
    this.#setOurs(prefix, rest)
    // The kernel names the owner of the first next hop: of one that is left alone it is known.
    if (rest.nextHops.length > 1) this.#mixed.add(prefix)
    else this.#mixed.delete(prefix)
    if (answer === 'foreign') this.#setForeign(prefix, [...this.foreign(prefix), { ...route, protocol: 0 }])
  }

  /** The kernel acknowledged that one of several under our mark is gone. */
  noteTwinGone(route: Route): void {
    const { dst } = route
    const [ours, ...twins] = [...listOf(this.ours(dst)), ...this.twins(dst)].filter(each => each !== route)
    this.#setOurs(dst, ours)
    restore(this.#twins, dst, twins.length > 0 ? twins : undefined)
  }

  /** The kernel acknowledged the delete, or said that there was nothing to delete. Returns what was behind it. */
  noteDeleted(key: PrefixKey): Route | undefined {
    const ours = this.#ours.get(key)
    if (ours && this.#twins.get(key)) {
      this.noteTwinGone(ours)
      return this.#ours.get(key)
    }
    if (ours) this.#setOurs(key, undefined)
    return undefined
  }

  /** Reads links and addresses again and tells of differences. */
  async rereadLinks(): Promise<void> {
    const young = (this.#young = { links: new Set<number>(), addresses: new Set<string>() })
    const [links, addresses] = [await this.#kernel.links(), await this.#kernel.addresses()]
    this.#young = undefined
    const indices = new Set([...links.map(link => link.index), ...young.links])
    for (const link of this.#links.values()) if (!indices.has(link.index)) this.#dropLink(link)
    for (const link of links) if (!young.links.has(link.index)) this.#putLink(link)
    const keys = new Set([...addresses.map(addressKey), ...young.addresses])
    for (const [key, address] of this.#addresses) if (!keys.has(key)) this.#dropAddress(address)
    for (const address of addresses) if (!young.addresses.has(addressKey(address))) this.#putAddress(address)
  }

  /** Reads the table again and tells of every prefix where it was not as believed. */
  async rereadRoutes(): Promise<void> {
    const touched = (this.#touched = new Set<string>())
    try {
      const routes = await this.#kernel.routes({ table: this.mark.table })
      const inMain = this.mark.table === mainTable ? [] : await this.#kernel.routes({ table: mainTable })
      const ours = new PrefixMap<Route>()
      const twins = new PrefixMap<readonly Route[]>()
      const foreign = new PrefixMap<readonly Route[]>()
      for (let i = 0; i < routes.length + inMain.length; i++) {
        if (i % unitsPerTurn === unitsPerTurn - 1) await nextTurn()
        const route = i < routes.length ? routes[i] : inMain[i - routes.length]
        if (!this.#concerns(route)) continue
        for (const part of this.#partsOf(route)) {
          const key = keyOf(part.dst)
          // The first of several is in force.
          if (!isMarked(part, this.mark)) foreign.set(key, [...(foreign.get(key) ?? []), part])
          else if (ours.get(key)) twins.set(key, [...(twins.get(key) ?? []), part])
          else ours.set(key, part)
        }
      }
      const changed = await this.#swap(ours, twins, foreign, touched)
      this.#touched = undefined
      for (const [prefix, hit] of changed) this.#changed(prefix, hit)
    } finally {
      this.#touched = undefined
    }
  }

  async #swap(
    ours: PrefixMap<Route>,
    twins: PrefixMap<readonly Route[]>,
    foreign: PrefixMap<readonly Route[]>,
    touched: Set<string>,
  ): Promise<Map<string, Hit | undefined>> {
    const changed = new Map<string, Hit | undefined>()
    let units = 0
    const look = async (key: PrefixKey): Promise<void> => {
      if (++units % unitsPerTurn === 0) await nextTurn()
      const { text } = key
      const [before, after] = [this.#ours.get(key), ours.get(key)]
      if (!sameLists(listOf(before), listOf(after)))
        changed.set(text, before && hitBy(after ?? foreign.get(key)?.find(other => sameKey(other, before))))
      else if (!sameLists(this.twins(key), twins.get(key) ?? [])) changed.set(text, hitBy(twins.get(key)?.[0]))
      else if (!sameLists(this.foreign(key), foreign.get(key) ?? [])) changed.set(text, undefined)
    }
    // The first reading is told to nobody.
    const looked = this.#listeners.size > 0 ? [ours, foreign, this.#ours, this.#foreign] : []
    for (const map of looked) for (const key of map.keys()) await look(key)
    for (const prefix of touched) {
      restore(ours, prefix, this.#ours.get(prefix))
      restore(twins, prefix, this.#twins.get(prefix))
      restore(foreign, prefix, this.#foreign.get(prefix))
    }
    for (const route of ours.values()) if (touched.size === 0 || !touched.has(route.dst)) this.#noteHeard(route)
    this.#ours = ours
    this.#twins = twins
    this.#foreign = foreign
    this.#uses = new Map()
    this.#ourUses = new Map()
    for (const route of ours.values()) {
      count(this.#uses, route, 1)
      count(this.#ourUses, route, 1)
    }
    for (const routes of foreign.values()) for (const route of routes) count(this.#uses, route, 1)
    return changed
  }

  #take(event: NetlinkEvent): void {
    this.#mark(event)
    switch (event.type) {
      case 'link.put':
        this.#noted.delete(event.link.index)
        return this.#putLink(event.link)
      case 'link.delete':
        return this.#dropLink(event.link)
      case 'address.put':
        return this.#putAddress(event.address)
      case 'address.delete':
        return this.#dropAddress(event.address)
      case 'route.put':
        return this.#putRoute(event.route)
      case 'route.delete':
        return this.#dropRoute(event.route)
      case 'overrun':
        return this.#tell({ what: 'overrun' })
      case 'rule.put':
      case 'rule.delete':
      case 'neighbour.put':
      case 'neighbour.delete':
      case 'fdb.put':
      case 'fdb.delete':
      case 'netconf.put':
      case 'netconf.delete':
        return undefined
    }
  }

  #mark(event: NetlinkEvent): void {
    if (event.type === 'link.put' || event.type === 'link.delete') this.#young?.links.add(event.link.index)
    if (event.type === 'address.put' || event.type === 'address.delete')
      this.#young?.addresses.add(addressKey(event.address))
  }

  #tell(change: MirrorChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  #putLink(link: Link): void {
    const old = this.#links.get(link.index)
    const renamed = old !== undefined && old.name !== link.name
    if (renamed && this.#linkNames.get(old.name)?.index === old.index) this.#linkNames.delete(old.name)
    this.#links.set(link.index, link)
    const namesake = this.#linkNames.get(link.name)
    if (!namesake || !this.#noted.has(namesake.index)) this.#linkNames.set(link.name, link)
    if (old && sameLink(old, link)) return
    const isRise = old !== undefined && link.carrier && sameLink({ ...old, carrier: true }, link)
    this.#tell({ what: 'link', link, gone: false, renamed, ...(isRise && { isRise }) })
  }

  #dropLink(link: Link): void {
    const old = this.#links.get(link.index)
    if (!old) return
    this.#links.delete(link.index)
    this.#noted.delete(link.index)
    if (this.#linkNames.get(old.name)?.index === old.index) this.#linkNames.delete(old.name)
    for (const [key, address] of this.#addresses) if (address.link === link.index) this.#addresses.delete(key)
    this.#tell({ what: 'link', link: old, gone: true, renamed: false })
  }

  #putAddress(address: InterfaceAddress): void {
    const key = addressKey(address)
    const old = this.#addresses.get(key)
    this.#addresses.set(key, address)
    if (!old || old.tentative !== address.tentative) this.#tell({ what: 'address', address, gone: false })
  }

  #dropAddress(address: InterfaceAddress): void {
    if (this.#addresses.delete(addressKey(address))) this.#tell({ what: 'address', address, gone: true })
  }

  #putRoute(route: Route): void {
    if (!this.#concerns(route)) return
    const prefix = route.dst
    // The kernel holds one route a key, and of a replaced one it tells nothing: whoever came last has the key.
    const others = this.foreign(prefix).filter(other => !sameKey(other, route))
    const old = this.#ours.get(prefix)
    const parts = this.#partsOf(route)
    const ours = parts.find(part => isMarked(part, this.mark))
    if (isMarked(route, this.mark) && ours) {
      if (old && sameRoute(old, ours)) return // the echo of our own write (IPv6)
      this.#noteHeard(ours)
      this.#setOurs(prefix, ours)
      this.#setForeign(prefix, [...others, ...parts.filter(part => part !== ours)])
      return this.#changed(prefix, old && hitBy(ours))
    }
    this.#setForeign(prefix, [...others, ...parts.filter(part => part !== ours)])
    if (ours) return this.#changed(prefix)
    const isTaken = old !== undefined && sameKey(old, route)
    if (isTaken) this.#setOurs(prefix, undefined)
    this.#changed(prefix, isTaken ? hitBy(route) : undefined)
  }

  #dropRoute(route: Route): void {
    if (!this.#concerns(route)) return
    const prefix = route.dst
    if (isMarked(route, this.mark)) {
      const ours = this.#ours.get(prefix)
      const probed = this.#probed.get(prefix)
      if (!ours || (probed && sameWay(probed, route))) return
      // IPv6 tells of each next hop of several by itself; IPv4 of the whole route, which may be another than ours.
      const gone =
        sameWay(ours, route) || prefix.includes(':') ? ours : this.twins(prefix).find(each => sameWay(each, route))
      if (gone) this.noteTwinGone(gone)
      return gone === ours ? this.#changed(prefix, {}) : undefined
    }
    const before = this.foreign(prefix)
    const after = before.filter(other => !sameHolder(other, route))
    if (after.length === before.length) return
    this.#setForeign(prefix, after)
    this.#changed(prefix)
  }

  /**
   * IPv6 shows one route of all that share a key and go by gateways, under the owner of its first next hop: the part that is known to
   * be ours, and that of others.
   */
  #partsOf(route: Route): readonly Route[] {
    if (!isJoinable(route) || route.nextHops.length === 1) return [route]
    const ours = this.#ours.get(route.dst)
    if (isMarked(route, this.mark)) {
      const other = this.foreign(route.dst).find(one => sameKey(one, route) && restOf(route, one))
      const rest = other && restOf(route, other)
      return rest ? [rest, other] : [route]
    }
    const rest = ours && sameKey(ours, route) ? restOf(route, ours) : undefined
    return ours && rest ? [ours, rest] : [route]
  }

  #noteHeard(route: Route): void {
    if (!isJoinable(route) || route.nextHops.length === 1) return this.noteWhole(route.dst)
    const known = this.#ours.get(route.dst)
    if (!known || !sameRoute(known, route)) this.#mixed.add(route.dst)
  }

  #setOurs(prefix: string | PrefixKey, route: Route | undefined): void {
    const old = this.#ours.get(prefix)
    if (!route) this.noteWhole(typeof prefix === 'string' ? prefix : prefix.text)
    if (old?.nextHops !== route?.nextHops) {
      for (const uses of [this.#uses, this.#ourUses]) {
        if (old) count(uses, old, -1)
        if (route) count(uses, route, 1)
      }
    }
    restore(this.#ours, prefix, route)
  }

  #setForeign(prefix: string, routes: readonly Route[]): void {
    for (const route of this.foreign(prefix)) count(this.#uses, route, -1)
    for (const route of routes) count(this.#uses, route, 1)
    restore(this.#foreign, prefix, routes.length > 0 ? routes : undefined)
  }

  #changed(prefix: string, hit?: Hit): void {
    this.#touched?.add(prefix)
    this.#tell({ what: 'route', prefix, ...(hit && { hit }) })
  }

  /** A route for packets from some addresses only leaves the rest of the prefix's traffic to us, whatever its mark. */
  #concerns(route: Route): boolean {
    const table = route.table ?? mainTable
    return route.from === undefined && (table === this.mark.table || table === mainTable) && forwarding.has(route.type)
  }
}

function count(uses: Map<number, number>, route: Route, by: 1 | -1): void {
  for (const { link } of route.nextHops) {
    if (link === undefined) continue
    const now = (uses.get(link) ?? 0) + by
    if (now > 0) uses.set(link, now)
    else uses.delete(link)
  }
}

function hitBy(route: Route | undefined): Hit {
  return route ? { by: route } : {}
}

function addressKey(address: InterfaceAddress): string {
  return `${address.link} ${address.cidr}`
}

function sameLink(a: Link, b: Link): boolean {
  return (
    a.name === b.name &&
    a.up === b.up &&
    a.carrier === b.carrier &&
    a.mtu === b.mtu &&
    a.mac === b.mac &&
    a.noArp === b.noArp &&
    a.kind === b.kind &&
    a.master === b.master &&
    a.peerIndex === b.peerIndex &&
    isDeepStrictEqual(a.tunnel, b.tunnel)
  )
}

function sameKey(a: Route, b: Route): boolean {
  return (
    metricOf(a) === metricOf(b) && (a.tos ?? 0) === (b.tos ?? 0) && (a.table ?? mainTable) === (b.table ?? mainTable)
  )
}

function sameHolder(a: Route, b: Route): boolean {
  return sameKey(a, b) && (a.protocol ?? 4) === (b.protocol ?? 4)
}

function listOf(route: Route | undefined): readonly Route[] {
  return route ? [route] : []
}

function sameLists(a: readonly Route[], b: readonly Route[]): boolean {
  return a.length === b.length && a.every(route => b.some(other => sameRoute(route, other)))
}

function restore<V extends object>(map: PrefixMap<V>, prefix: string | PrefixKey, value: V | undefined): void {
  if (value === undefined) map.delete(prefix)
  else map.set(prefix, value)
}

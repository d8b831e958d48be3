// The routes that the speaker chose, and the FIB entry that each of them makes of it, or the reason why none.
//
// Routes with the same next hops share one resolution, so a change of the facts is worked out once per set of next hops, and only the
// routes that use it are judged anew. Nothing here does I/O: every call returns the entries that differ from before.

import { isDeepStrictEqual } from 'node:util'
import { formatPrefix, keyOf, parsePrefix, PrefixMap } from '../../inet/index.ts'
import type { Prefix, PrefixKey } from '../../inet/index.ts'
import type { NextHopState } from '../../bgp/types.ts'
import type { Facts } from '../model/facts.ts'
import { equalFibEntries } from '../model/fib.ts'
import type { FibEntry, NextHop } from '../model/fib.ts'
import type { RouteRules } from '../model/intent.ts'
import { readRules, refusal } from './admit.ts'
import type { ReadRules } from './admit.ts'
import { mergeNextHops, weightsOf } from './ecmp.ts'
import { FactsIndex, parseScopedAddress } from './facts-index.ts'
import type { KnownRoute } from './facts-index.ts'
import type { Resolution, ResolveOptions } from './next-hop.ts'
import { HopTracker } from './hop-tracker.ts'
import { type ReadTunnelRule, throughTunnel } from './tunnel-rules.ts'

/** A prefix with the next hops of its chosen paths, as the Loc-RIB feed gives it. */
export interface LearnedRoute {
  readonly prefix: string
  /** The same for maps. */
  readonly key?: PrefixKey
  readonly nextHops: readonly string[]
  /** Shares of the load, one a next hop, in any unit; absent: equal ones. */
  readonly bandwidths?: readonly number[]
  /** Name of the peer whose path is best; `local` for a route of our own. */
  readonly peer: string
}

/** What becomes of one prefix. Without an entry `reason` says why, unless the route is simply gone. */
export interface FibUpdate {
  readonly prefix: string
  /** The same for maps, if it was learned with one. */
  readonly key?: PrefixKey
  readonly entry?: FibEntry
  readonly reason?: string
}

/** Next hops shared by all routes that list the same ones. */
interface HopSet {
  readonly key: string
  readonly addresses: readonly string[]
  /** Of each address, where they differ. */
  readonly weights: ReadonlyMap<string, number>
  /** Number of routes. */
  users: number
  hops: readonly NextHop[]
  /** Why there are no hops. */
  reason: string
}

/** One a route of the Loc-RIB, so it has few fields, and nothing that could be worked out again. */
interface Known {
  readonly text: string
  readonly key: PrefixKey | undefined
  peer: string
  hops: HopSet
  admission: Admission
  entry: FibEntry | undefined
  /** Why there is no entry. */
  reason: string | undefined
}

/** What a prefix alone says, whatever its next hops. */
interface Admission {
  readonly refused?: string
  /** The pool of tunnels that it lies in. */
  readonly rule?: ReadTunnelRule
}

const admitted: Admission = {}

export class Resolver {
  readonly #routes = new PrefixMap<Known>()
  readonly #sets = new Map<string, HopSet>()
  readonly #tracker: HopTracker
  readonly #unwrapped = new Set<string>()
  #facts: FactsIndex
  #rules: ReadRules
  #mtu: number | undefined
  #inForce = 0
  /** Preferred sources of routes outside tunnels, by family: what is wanted, if it is on the node. */
  #source4: string | undefined
  #source6: string | undefined

  /** `mtu`: what routes outside tunnels carry; default, and where that is less: what their device does. */
  constructor(facts: Facts, rules: RouteRules, mtu?: number) {
    this.#mtu = mtu
    this.#facts = new FactsIndex(facts)
    this.#rules = readRules(rules)
    this.#findSources()
    this.#tracker = new HopTracker(this.#facts, hopOptions(this.#rules))
  }

  /** Number of learned routes that are wanted in the FIB. */
  get inForce(): number {
    return this.#inForce
  }

  /** Prefixes in pools with mode Always whose packets go to a router as they are. */
  get unwrapped(): ReadonlySet<string> {
    return this.#unwrapped
  }

  /** Takes one Loc-RIB change; no next hops, or a route of our own, means withdrawn. Undefined: the FIB stays as it is. */
  learn(route: LearnedRoute): FibUpdate | undefined {
    if (route.nextHops.length === 0 || route.peer === 'local')
      return this.#forget(this.#find(route.key ?? route.prefix))
    const known = this.#find(route.key ?? route.prefix)
    if (known) return this.#relearn(known, route)
    const key = route.key ?? keyOf(route.prefix)
    const place = placeOf(key)
    if (!place) return { prefix: route.prefix, reason: `${route.prefix} is no prefix` }
    const text = 'octets' in place ? formatPrefix(place) : place.text
    const hops = this.#join(route.nextHops, route.bandwidths)
    const admission = this.#admit(place)
    const learned: Known = {
      text,
      key: route.key,
      peer: route.peer,
      hops,
      admission,
      entry: undefined,
      reason: undefined,
    }
    this.#routes.set(route.key ?? text, learned)
    this.#judge(learned)
    if (learned.entry) this.#inForce++
    return updateOf(learned)
  }

  #relearn(known: Known, { nextHops, bandwidths, peer }: LearnedRoute): FibUpdate | undefined {
    const before = known.hops
    known.hops = this.#join(nextHops, bandwidths)
    known.peer = peer
    this.#leave(before)
    return this.#changed(known) ? updateOf(known) : undefined
  }

  /** The speaker has no path for the prefix any more. */
  forget(prefix: string): FibUpdate | undefined {
    return this.#forget(this.#find(prefix))
  }

  #forget(known: Known | undefined): FibUpdate | undefined {
    if (!known) return undefined
    const { text, key } = known
    this.#routes.delete(key ?? text)
    if (this.#unwrapped.size > 0) this.#unwrapped.delete(known.text)
    this.#leave(known.hops)
    if (!known.entry) return undefined
    this.#inForce--
    return key ? { prefix: text, key } : { prefix: text }
  }

  /** Links, addresses or foreign routes changed. Judges all routes only if a connected subnet or an own address came or went. */
  setFacts(facts: Facts): readonly FibUpdate[] {
    const before = this.#facts
    const [source4, source6] = [this.#source4, this.#source6]
    this.#facts = new FactsIndex(facts)
    this.#findSources()
    const sets = this.#refreshHops()
    if (!sameSubnets(before, this.#facts)) return this.#admitAll()
    if (
      this.#source4 !== source4 ||
      this.#source6 !== source6 ||
      this.#narrow(before) !== this.#narrow() ||
      this.#tunnelSources(before) !== this.#tunnelSources()
    )
      return this.#rejudge()
    return sets.size > 0 ? this.#rejudge(sets) : []
  }

  /** The intent changed what may be installed: every route is judged anew. */
  setRules(rules: RouteRules): readonly FibUpdate[] {
    this.#rules = readRules(rules)
    this.#findSources()
    this.#refreshHops()
    return this.#admitAll()
  }

  /** Another MTU for routes outside tunnels. */
  setMtu(mtu: number | undefined): readonly FibUpdate[] {
    this.#mtu = mtu
    return this.#rejudge()
  }

  /** The verdict in force for a learned prefix, with the peer it came from. */
  explain(prefix: string): (FibUpdate & { readonly peer: string; readonly nextHops: readonly string[] }) | undefined {
    const known = this.#find(prefix)
    return known && { ...updateOf(known), peer: known.peer, nextHops: known.hops.addresses }
  }

  /** What is wanted in the FIB for a learned prefix. */
  entry(prefix: string): FibEntry | undefined {
    return this.#find(prefix)?.entry
  }

  /** All entries wanted in the FIB now. */
  *entries(): IterableIterator<FibEntry> {
    for (const { entry } of this.#routes.values()) if (entry) yield entry
  }

  /** Learned prefixes that stay out, each with its reason. */
  *refused(): IterableIterator<FibUpdate> {
    for (const known of this.#routes.values()) if (!known.entry) yield updateOf(known)
  }

  /** Reachability that the speaker has not been told yet (`setNextHops`). */
  takeNextHopChanges(): readonly NextHopState[] {
    return this.#tracker.takeChanges()
  }

  /** Reachability of every next hop known, for a speaker that starts anew. */
  nextHops(): readonly NextHopState[] {
    return this.#tracker.states()
  }

  /** Of IPv6 a text may be another than the canonical one. */
  #find(of: string | PrefixKey): Known | undefined {
    const known = this.#routes.get(of)
    if (known || typeof of !== 'string' || !of.includes(':')) return known
    const prefix = parsePrefix(of)
    return prefix && this.#routes.get(formatPrefix(prefix))
  }

  /** Counts one more user. */
  #join(addresses: readonly string[], bandwidths?: readonly number[]): HopSet {
    const weights = bandwidths && weightsOf(bandwidths)
    const together = addresses.length === 1 ? addresses[0] : addresses.join(' ')
    const key = weights ? `${together} ${weights.join(':')}` : together
    const shared = this.#sets.get(key)
    if (shared) {
      shared.users++
      return shared
    }
    const set: HopSet = {
      key,
      addresses: [...addresses],
      weights: new Map(weights?.map((weight, i) => [addresses[i], weight])),
      users: 1,
      hops: [],
      reason: '',
    }
    for (const address of set.addresses) this.#tracker.use(address)
    this.#sets.set(key, set)
    this.#resolve(set)
    return set
  }

  #leave(set: HopSet): void {
    if (--set.users > 0) return
    this.#sets.delete(set.key)
    for (const address of set.addresses) this.#tracker.unuse(address)
  }

  #resolve(set: HopSet): void {
    const hops: NextHop[] = []
    const reasons: string[] = []
    for (const address of set.addresses) {
      const resolution = this.#resolution(set, address)
      if (resolution?.usable && resolution.byDefault)
        reasons.push(`next hop ${address} is reached only by the default route, which no route outside tunnels uses`)
      else if (resolution?.usable) hops.push(resolution.hop)
      else if (resolution) reasons.push(resolution.reason)
    }
    set.hops = mergeNextHops(hops)
    set.reason = reasons.join('; ')
  }

  /** With the share of the load that goes there. */
  #resolution(set: HopSet, address: string): Resolution | undefined {
    const resolution = this.#tracker.resolution(address)
    const weight = set.weights.get(address)
    if (!resolution?.usable || weight === undefined) return resolution
    return { ...resolution, hop: { ...resolution.hop, weight } }
  }

  /** Resolves the next hops anew; gives the sets in which one changed. */
  #refreshHops(): ReadonlySet<HopSet> {
    const changed = this.#tracker.refresh(this.#facts, hopOptions(this.#rules))
    const touched = new Set<HopSet>()
    if (changed.size === 0) return touched
    for (const set of this.#sets.values()) {
      if (!set.addresses.some(address => changed.has(address))) continue
      this.#resolve(set)
      touched.add(set)
    }
    return touched
  }

  /** Judges the routes of these sets anew; absent: all. */
  #rejudge(sets?: ReadonlySet<HopSet>): readonly FibUpdate[] {
    const updates: FibUpdate[] = []
    for (const known of this.#routes.values())
      if ((!sets || sets.has(known.hops)) && this.#changed(known)) updates.push(updateOf(known))
    return updates
  }

  #admitAll(): readonly FibUpdate[] {
    for (const known of this.#routes.values()) {
      const place = placeOf(known.key ?? keyOf(known.text))
      if (place) known.admission = this.#admit(place)
    }
    return this.#rejudge()
  }

  #admit(place: PrefixKey | Prefix): Admission {
    const refused = refusal(place, this.#rules, this.#facts)
    if (refused !== undefined) return { refused }
    const tunnels = this.#rules.tunnels.around(place)
    return tunnels ? { rule: tunnels.rule } : admitted
  }

  /** Judges a route anew; true if that changes the FIB, or the reason. */
  #changed(known: Known): boolean {
    const { entry, reason } = known
    this.#judge(known)
    this.#inForce += Number(known.entry !== undefined) - Number(entry !== undefined)
    if (entry && known.entry && equalFibEntries(entry, known.entry)) {
      known.entry = entry
      return false
    }
    return entry !== known.entry || reason !== known.reason
  }

  #judge(known: Known): void {
    const { text, hops, admission } = known
    if (this.#unwrapped.size > 0) this.#unwrapped.delete(text)
    known.entry = known.reason = undefined
    if (admission.refused !== undefined) known.reason = `${text} is not installed: ${admission.refused}`
    else if (admission.rule) this.#judgeTunnelled(known, admission.rule)
    else if (hops.hops.length === 0) known.reason = `${text} is not installed: ${hops.reason}`
    else if (!text.includes(':')) known.entry = this.#entry(text, hops.hops, this.#source4, this.#mtu)
    else if (hops.hops.every(hop => hop.gateway?.includes(':')))
      known.entry = this.#entry(text, hops.hops, this.#source6, this.#mtu)
    else known.reason = `${text} is not installed: its next hop is an IPv4 address`
  }

  /** A route into a pool of tunnels: some of its next hops may lie in this node's own subnet, where no tunnel is needed. */
  #judgeTunnelled(known: Known, rule: ReadTunnelRule): void {
    const { text, hops: set } = known
    const ways = throughTunnel(rule, set.addresses, address => this.#resolution(set, address))
    if (!ways.ok) {
      known.reason = `${text} is not installed: ${ways.reason}`
      return
    }
    if (ways.unwrapped) this.#unwrapped.add(text)
    const source = this.#present(ways.tunnelled ? ways.source : this.#ownAddress(rule.pool.family))
    const mtu = ways.tunnelled ? undefined : this.#mtu
    known.entry = this.#entry(text, mergeNextHops(ways.hops), source, mtu)
  }

  #entry(prefix: string, nextHops: readonly NextHop[], source: string | undefined, mtu: number | undefined): FibEntry {
    // More than the device carries would be dropped without a word; without an MTU of its own the route has the device's.
    const isCarried =
      mtu !== undefined &&
      this.#facts.carries(
        mtu,
        nextHops.map(hop => hop.device),
      )
    if (isCarried) return { prefix, kind: 'unicast', nextHops, ...(source !== undefined && { source }), mtu }
    if (source !== undefined) return { prefix, kind: 'unicast', nextHops, source }
    return { prefix, kind: 'unicast', nextHops }
  }

  /** Devices that carry less than routes are meant to. */
  #narrow(facts = this.#facts): string {
    return this.#mtu === undefined ? '' : facts.narrowerThan(this.#mtu).join()
  }

  #ownAddress(family: 4 | 6): string | undefined {
    return family === 4 ? this.#rules.rules.source4 : this.#rules.rules.source6
  }

  #findSources(): void {
    this.#source4 = this.#present(this.#ownAddress(4))
    this.#source6 = this.#present(this.#ownAddress(6))
  }

  /** Sources of tunnels that are on the node. */
  #tunnelSources(facts = this.#facts): string {
    return this.#rules.tunnelSources.map(source => this.#present(source, facts)).join()
  }

  /** The kernel refuses a preferred source that is not on the node. */
  #present(source: string | undefined, facts = this.#facts): string | undefined {
    const address = source === undefined ? undefined : parseScopedAddress(source)?.address
    return address && facts.isOwnAddress(address) ? source : undefined
  }
}

function hopOptions({ rules, tunnelled }: ReadRules): ResolveOptions {
  return { throughDefault: rules.resolveThroughDefault ?? false, tunnelled }
}

function updateOf({ text: prefix, key, entry, reason }: Known): FibUpdate {
  if (entry) return key ? { prefix, key, entry } : { prefix, entry }
  return key ? { prefix, key, reason } : { prefix, reason }
}

/** What is asked of it by numbers; of IPv6 it is read. */
function placeOf(key: PrefixKey): PrefixKey | Prefix | undefined {
  return key.length < 0 ? parsePrefix(key.text) : key
}

function sameSubnets(a: FactsIndex, b: FactsIndex): boolean {
  return isDeepStrictEqual(a.connected.map(subnetKey), b.connected.map(subnetKey))
}

function subnetKey({ route }: KnownRoute): string {
  return `${route.prefix} ${route.device}`
}

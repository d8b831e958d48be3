// Dynamic neighbours: peers that are made when a connection comes from inside a configured prefix (BIRD's `neighbor range`,
// FRR's `bgp listen range`), and forgotten when they have long been away.

import { parsePrefix, PrefixTable } from '../../inet/index.ts'
import type { ResolvedPeer } from '../session/host.ts'
import type { Peer } from '../session/peer.ts'
import { placeOf } from '../session/place.ts'
import type { ListenRange, PeerConfig, SpeakerConfig } from '../types.ts'
import { cease } from '../wire/notification.ts'
import { type Fault, fault } from '../wire/verdict.ts'
import { bareAddress, plainAddress } from './addresses.ts'
import { ByAddress } from './by-address.ts'
import { resolvePeer } from './resolve.ts'

/** Peers of a range at a time, where it does not say. */
const MOST_PEERS = 100
/** Milliseconds for which a peer without a session is remembered, at least: its status, and its rests after errors. */
const REMEMBERED = 60_000
/** Milliseconds between two looks for peers to forget, while there are any. */
const LOOK_AGAIN = 10_000

const away = fault(6, cease.deconfigured, 'the peer has long been away')
/** RFC 4486 §3: Out of Resources. */
const silent = fault(6, cease.resources, 'no OPEN came, and another peer needs the place')

interface Ports {
  add(name: string, config: ResolvedPeer): Peer
  remove(peer: Peer, why: Fault): void
  /** Calls `forget` after so many milliseconds, unless it is going to already. */
  wake(after: number): void
  now(): number
}

export class DynamicPeers {
  readonly #peers: ReadonlyMap<string, Peer>
  readonly #ports: Ports
  #ranges = new PrefixTable<ListenRange>()
  #config: SpeakerConfig | undefined

  /** `peers`: all peers there are, others too. */
  constructor(peers: ReadonlyMap<string, Peer>, ports: Ports) {
    this.#peers = peers
    this.#ports = ports
  }

  /** Takes over the ranges; says which of the dynamic peers that are there may stay, and how they are configured now. */
  configure(config: SpeakerConfig): ReadonlyMap<string, PeerConfig> {
    this.#config = config
    this.#ranges = new PrefixTable()
    for (const range of config.dynamic ?? []) {
      const prefix = parsePrefix(range.prefix)
      if (prefix) this.#ranges.set(prefix, range)
    }
    const configured = new ByAddress<string>()
    for (const [name, peer] of config.peers) configured.put(placeOf(peer), name)
    const staying = new Map<string, PeerConfig>()
    for (const { name, config: own } of this.#peers.values()) {
      if (own.range === undefined || configured.at(own.address).length > 0) continue
      const found = this.#at(own.address)
      if (found?.name === name) staying.set(name, found.peer)
    }
    return staying
  }

  /** No peer is made any more. */
  close(): void {
    this.#ranges = new PrefixTable()
  }

  /** A new peer for a connection from there; or why there is none; undefined if no range holds the address. */
  take(remote: string): Peer | string | undefined {
    const found = this.#at(remote)
    if (!found || !this.#config) return undefined
    const { name, range, peer } = found
    if (this.#count(range) >= limitOf(range)) this.#forgetIdle(0)
    if (this.#count(range) >= limitOf(range)) this.#endSilent(range)
    if (this.#count(range) >= limitOf(range)) return full(range)
    this.#ports.wake(LOOK_AGAIN)
    return this.#ports.add(name, resolvePeer(peer, this.#config))
  }

  /** Removes the peers that have been away for long. */
  forget(): void {
    this.#forgetIdle(REMEMBERED)
    for (const { config } of this.#peers.values()) if (config.range !== undefined) return this.#ports.wake(LOOK_AGAIN)
  }

  #forgetIdle(after: number): void {
    for (const peer of this.#peers.values()) {
      const since = peer.config.range === undefined ? undefined : peer.idleSince
      if (since !== undefined && this.#ports.now() - since >= after) this.#ports.remove(peer, away)
    }
  }

  /**
   * Whoever has been connected without an OPEN for the longest time gives way: anybody inside the prefix can open idle
   * connections, and those shall keep nobody out that has something to say.
   */
  #endSilent({ name }: ListenRange): void {
    let oldest: { readonly peer: Peer; readonly since: number } | undefined
    for (const peer of this.#peers.values()) {
      const since = peer.config.range === name ? peer.silentSince : undefined
      if (since !== undefined && (!oldest || since < oldest.since)) oldest = { peer, since }
    }
    if (oldest) this.#ports.remove(oldest.peer, silent)
  }

  #count({ name }: ListenRange): number {
    let count = 0
    for (const { config } of this.#peers.values()) if (config.range === name) count++
    return count
  }

  /** The peer that would be made there, by the most specific range. */
  #at(remote: string) {
    const bare = bareAddress(remote)
    const range = bare && this.#ranges.match(bare)?.value
    if (!range) return undefined
    const address = plainAddress(remote)
    const peer = { ...range.template, address, passive: true, range: range.name }
    return { name: `${range.name}/${address}`, range, peer }
  }
}

export function limitOf({ limit = MOST_PEERS }: ListenRange): number {
  return limit
}

function full(range: ListenRange): string {
  const { name, prefix } = range
  const next = 'raise the limit, or look who connects from there'
  return `a connection is refused: listen range "${name}" (${prefix}) has its limit of ${limitOf(range)} peers; ${next}`
}

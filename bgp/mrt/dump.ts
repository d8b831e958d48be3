// A dump of all tables in TABLE_DUMP_V2 (RFC 6396 §4.3): who sent what, before import policy. It is made in slices, each of
// which is written before the next is read, so it holds up nobody and is no one moment's state.

import { OctetWriter } from '../octet-writer.ts'
import type { RouteOctets } from '../rib/port.ts'
import { addressOctets } from '../route-octets.ts'
import type { Speaker } from '../speaker.ts'
import { systemClock } from '../transport/tcp.ts'
import type { Clock } from '../transport/transport.ts'
import type { Family, PeerId, PrefixId } from '../types.ts'
import { type IndexedPeer, peerIndexTable, type RibEntry, ribRecord } from './records.ts'

/** Takes octets, in order; the next come when it is ready for them. */
export type MrtSink = (octets: Uint8Array) => void | Promise<void>

export interface DumpOptions {
  /** Name of the view in PEER_INDEX_TABLE. Default: none. */
  readonly view?: string
  readonly clock?: Clock
}

/** What a dump reads; a `Speaker`, or an engine in a shell of one's own. */
export type Dumped = Pick<Speaker, 'engine'>

/** Prefixes a slice. */
const SLICE = 1024

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast']

/**
 * Writes PEER_INDEX_TABLE and a record for each prefix that somebody sent (two, if some paths to it have identifiers and some
 * have none); returns the number of records. The time of a path is that
 * of its session, since none is kept for each path; peers that come during the dump are not in it.
 */
export async function dumpTables(
  { engine }: Dumped,
  sink: MrtSink,
  { view = '', clock = systemClock }: DumpOptions = {},
): Promise<number> {
  const { config } = engine
  if (!config) return 0
  const out = new OctetWriter()
  const time = clock.now()
  const index = new Map<PeerId | null, { readonly place: number; readonly originated: number }>()
  const local = { asn: config.asn, routerId: number32(config.routerId), address: new Uint8Array(4) }
  const peers: IndexedPeer[] = [local]
  index.set(null, { place: 0, originated: Math.floor(time / 1000) })
  for (const { name, address, remoteAs, routerId, since } of engine.status()) {
    const id = engine.peerId(name)
    if (id === undefined) continue
    index.set(id, { place: peers.length, originated: Math.floor(since / 1000) })
    peers.push({ asn: remoteAs ?? 0, routerId: number32(routerId ?? '0.0.0.0'), address: addressOctets(address) })
  }
  peerIndexTable(out, time, { routerId: local.routerId, view, peers })
  let sequence = 0
  for (const family of families) {
    let entries: RibEntry[] = []
    let nlri = new Uint8Array(0)
    const close = () => {
      // A record of its own for paths with identifiers (RFC 8050 §4).
      for (const withIds of [false, true]) {
        const some = entries.filter(({ pathId }) => (pathId !== undefined) === withIds)
        if (some.length > 0) ribRecord(out, time, { family, sequence: sequence++, nlri, entries: some })
      }
      entries = []
    }
    const add = (route: RouteOctets) => {
      const from = index.get(route.peer)
      if (!from || !route.attributes) return
      if (!same(nlri, route.nlri)) {
        close()
        nlri = route.nlri.slice()
      }
      const { place: peer, originated } = from
      const { pathId } = route
      entries.push({ peer, originated, pathId, attributes: route.attributes.slice(), nextHop: route.nextHop })
    }
    for (let from = 1 as PrefixId; from !== 0;) {
      from = engine.rib(family).slice('in', 'every', from, SLICE, add)
      close()
      if (out.length > 0) await sink(out.take())
      await new Promise<void>(resolve => clock.soon(resolve))
    }
  }
  return sequence
}

function number32(dottedQuad: string): number {
  const octets = addressOctets(dottedQuad)
  return ((octets[0] << 24) | (octets[1] << 16) | (octets[2] << 8) | octets[3]) >>> 0
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i])
}

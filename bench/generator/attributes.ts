// Attribute sets as routers of the Internet send them, and what a device has to make of each.

import type { Family } from '../../bgp/types.ts'
import * as wire from '../../bgp/wire/attributes.ts'
import { randomFrom, weighted } from './random.ts'
import type { Slice } from './table.ts'

export interface AttributeSet {
  readonly origin: 'igp' | 'egp' | 'incomplete'
  readonly path: readonly number[]
  readonly med: number | undefined
  readonly communities: readonly string[]
}

/** What the octets of a set depend on beside the set. */
export interface Surroundings {
  readonly kind: 'ebgp' | 'reflector'
  readonly family: Family
  readonly device: { readonly asn: number; readonly routerId: string; readonly nextHop: Uint8Array }
}

/** Who sends a set. */
export interface Sender {
  readonly asn: number
  readonly routerId: string
  readonly nextHop: Uint8Array
}

/**
 * The sets of one slice, no two alike when the device has taken the MED away. A path has two to six ASes, the sender's own first where it is another than the
 * device's; most sets have communities, one in five a MED. Two senders with the same seed have paths of the same lengths.
 */
export function makeSets(
  slice: Slice,
  sender: Sender,
  kind: Surroundings['kind'],
  seed = slice.fromSet,
): AttributeSet[] {
  const random = randomFrom(seed + 7)
  const seen = new Set<string>()
  const sets: AttributeSet[] = []
  while (sets.length < slice.toSet - slice.fromSet) {
    const set = makeSet(random, sender, kind)
    const key = JSON.stringify({ ...set, med: undefined })
    if (!seen.has(key)) sets.push(set)
    seen.add(key)
  }
  return sets
}

function makeSet(random: () => number, sender: Sender, kind: Surroundings['kind']): AttributeSet {
  const length = weighted(random, [
    [2, 10],
    [3, 28],
    [4, 32],
    [5, 20],
    [6, 10],
  ])
  const path = Array.from({ length: kind === 'ebgp' ? length - 1 : length }, () => makeAs(random))
  const communities = weighted(random, [
    [0, 25],
    [1, 15],
    [2, 20],
    [3, 15],
    [5, 15],
    [8, 10],
  ])
  const tagger = path[0] < 65536 ? path[0] : 3356
  const values = new Set(Array.from({ length: communities }, () => Math.floor(random() * 4000)))
  return {
    origin: weighted(random, [
      ['igp', 85],
      ['incomplete', 13],
      ['egp', 2],
    ]),
    path: kind === 'ebgp' ? [sender.asn, ...path] : path,
    med: random() < 0.2 ? Math.floor(random() * 500) : undefined,
    // In ascending order, as speakers may sort them.
    communities: [...values].toSorted((a, b) => a - b).map(value => `${tagger}:${value}`),
  }
}

/** Of the public ranges, one in six of four octets. */
function makeAs(random: () => number): number {
  const asn = random() < 1 / 6 ? 131072 + Math.floor(random() * 80000) : 1 + Math.floor(random() * 63000)
  return asn === wireAsTrans ? asn + 1 : asn
}

const wireAsTrans = 23456

/** The attributes as the sender sends them; the next hop of IPv6 stands with the prefixes. */
export function sentAttributes(set: AttributeSet, sender: Sender, { kind, family }: Surroundings): Uint8Array {
  return encode(set, {
    path: set.path,
    nextHop: family === 'ipv4-unicast' ? sender.nextHop : undefined,
    med: set.med,
    localPref: kind === 'reflector' ? 100 : undefined,
  })
}

/**
 * The attributes as a receiver has to get them. eBGP: the device's AS in front, itself as next hop, no MED of another AS
 * (RFC 4271 §5.1). Reflected: as they were, with the originator and the cluster (RFC 4456 §8). `noMed`: what stands for a
 * MED that is not there; FRR gives its clients 0, which says the same (RFC 4271 §9.1.2.2 c).
 */
export function expectedAttributes(set: AttributeSet, sender: Sender, around: Surroundings, noMed?: 0): Uint8Array {
  const { kind, family, device } = around
  const isReflected = kind === 'reflector'
  const nextHop = isReflected ? sender.nextHop : device.nextHop
  return encode(set, {
    path: isReflected ? set.path : [device.asn, ...set.path],
    nextHop: family === 'ipv4-unicast' ? nextHop : undefined,
    med: isReflected ? (set.med ?? noMed) : undefined,
    localPref: isReflected ? 100 : undefined,
    reflected: isReflected ? { originator: sender.routerId, cluster: device.routerId } : undefined,
  })
}

interface Rest {
  readonly path: readonly number[]
  readonly nextHop: Uint8Array | undefined
  readonly med: number | undefined
  readonly localPref: number | undefined
  readonly reflected?: { readonly originator: string; readonly cluster: string }
}

const scratch = new Uint8Array(4096)

function encode({ origin, communities }: AttributeSet, rest: Rest): Uint8Array {
  let at = 0
  const put = <V>(type: wire.AttributeType<V>, value: V | undefined) => {
    if (value !== undefined) at = wire.putAttribute(scratch, at, type, type.encode(value))
  }
  put(wire.origin, origin)
  put(wire.asPath, [{ type: 'sequence', asns: rest.path }])
  if (rest.nextHop) at = wire.putAttribute(scratch, at, wire.nextHop, rest.nextHop)
  put(wire.med, rest.med)
  put(wire.localPref, rest.localPref)
  put(wire.communities, communities.length > 0 ? communities : undefined)
  put(wire.originatorId, rest.reflected?.originator)
  put(wire.clusterList, rest.reflected && [rest.reflected.cluster])
  return scratch.slice(0, at)
}

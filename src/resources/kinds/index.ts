// The table of kinds: the only list of them.
//
// To add a field, go to its kind's file. To add a kind, write such a file and add a row here.

import type { InferOutput } from 'valibot'
import type { Resource } from '../kind.ts'
import { bgpConfiguration } from './bgp-configuration.ts'
import { bgpPeer } from './bgp-peer.ts'
import { ipPool } from './ip-pool.ts'
import { ipReservation } from './ip-reservation.ts'
import { ipamConfiguration } from './ipam-configuration.ts'
import { node } from './node.ts'

export const kinds = {
  Node: node,
  IPPool: ipPool,
  IPReservation: ipReservation,
  IPAMConfiguration: ipamConfiguration,
  BGPConfiguration: bgpConfiguration,
  BGPPeer: bgpPeer,
} as const

export type Kind = keyof typeof kinds
export const allKinds: readonly Kind[] = Object.values(kinds).map(({ kind }) => kind)
export type ResourceOf<K extends Kind> = Resource<K, InferOutput<(typeof kinds)[K]['spec']>>
export type AnyResource = { [K in Kind]: ResourceOf<K> }[Kind]

/** The kind that people mean by `node`, `Nodes`, `no`: its name, plural or short name, in any case. */
export function kindNamed(word: string): Kind | undefined {
  const wanted = word.toLowerCase()
  const found = Object.values(kinds).find(({ kind, plural, short }) =>
    [kind.toLowerCase(), plural, ...short].includes(wanted),
  )
  return found?.kind
}

// Short ways to write speakers down in tests.

import { type SimpleConfig, type SimplePeer, fullConfig } from '../simple-config.ts'
import type { SimulatedSpeaker, Simulation } from '../transport/simulation.ts'

/** Peers by address; a number is the remote AS. */
export type Peers = Readonly<Record<string, number | Omit<SimplePeer, 'address'>>>

/** A configuration for the host with that address, which is its router id too; peers are named by address. */
export function config(address: string, asn: number, peers: Peers, more: Partial<SimpleConfig> = {}) {
  const list = Object.entries(peers).map(([remote, peer]) =>
    typeof peer === 'number' ? { address: remote, remoteAs: peer } : { address: remote, ...peer },
  )
  return fullConfig({ asn, routerId: address, peers: list, ...more })
}

/** The speaker on the host with that address. */
export function speaker(
  simulation: Simulation,
  address: string,
  asn: number,
  peers: Peers,
  more: Partial<SimpleConfig> = {},
): SimulatedSpeaker {
  return simulation.add(config(address, asn, peers, more), address)
}

export function established(...pairs: readonly (readonly [SimulatedSpeaker, string])[]): boolean {
  return pairs.every(([one, peer]) => one.peer(peer).state === 'Established')
}

// A speaker on the in-memory network whose peers do what a shape says.

import { fullConfig, type SimplePeer } from '../../bgp/simple-config.ts'
import { Simulation } from '../../bgp/transport/simulation.ts'
import { addressOf, device, peerStation } from '../generator/addresses.ts'
import { makeTraffic } from '../generator/traffic.ts'
import type { Shape } from '../scenarios/scenario.ts'
import { CountedPeer } from './peer.ts'

export class World {
  readonly #net = new Simulation(1)
  readonly #peers: readonly CountedPeer[]
  readonly #phases: ReturnType<typeof makeTraffic>['phases']

  constructor(shape: Shape) {
    const { family, kind, hasPaths } = shape
    this.#phases = makeTraffic(shape, false).phases
    this.#peers = shape.peers.map((_, n) => new CountedPeer(this.#net, n, kind, family, hasPaths))
    const peers = shape.peers.map((_, n): SimplePeer => {
      const station = peerStation(n, kind)
      return {
        address: addressOf(station, family),
        remoteAs: station.asn,
        families: [family],
        nextHop: kind === 'ebgp' ? 'self' : 'auto',
        reflectorClient: kind === 'reflector',
        ...(hasPaths && { addPath: { [family]: { send: 'all' } } }),
      }
    })
    const { asn, routerId } = device
    this.#net.add(fullConfig({ asn, routerId, clusterId: routerId, peers }), addressOf(device, family))
    this.#net.run(20)
  }

  /** The peers send what the phase says; returns the UPDATEs that they get, all together. */
  phase(n: number): number {
    for (const peer of this.#peers) peer.updates = 0
    for (const [peer, octets] of this.#phases[n].sends) this.#peers[peer].send(octets)
    this.#net.run(10)
    return this.#peers.reduce((sum, { updates }) => sum + updates, 0)
  }
}

/** The table announced, announced again as it is, and withdrawn. */
export const steps = ['announced', 'announced again', 'withdrawn'] as const

// A peer of a speaker on the in-memory network: sends what it is given, and counts what it gets.

import { openOf } from '../generator/session.ts'
import { addressOf, peerStation } from '../generator/addresses.ts'
import { HEADER_LENGTH, KEEPALIVE, keepalive, messageLength, OPEN, UPDATE } from '../../bgp/wire/header.ts'
import type { Family } from '../../bgp/types.ts'
import type { Simulation } from '../../bgp/transport/simulation.ts'
import type { Conn } from '../../bgp/transport/transport.ts'

export class CountedPeer {
  /** UPDATEs that came, and their octets; End-of-RIB is none. */
  updates = 0
  octets = 0
  #conn: Conn | undefined
  #rest = new Uint8Array(0)
  readonly #open: Uint8Array
  readonly #endOfRib: number

  constructor(net: Simulation, n: number, kind: 'ebgp' | 'reflector', family: Family, hasPaths = false) {
    const station = peerStation(n, kind)
    this.#open = openOf(station, family, { hasPaths })
    this.#endOfRib = HEADER_LENGTH + (family === 'ipv4-unicast' ? 4 : 10)
    const transport = net.network.host(addressOf(station, family))
    transport.listen({ port: 179 }, { accepted: conn => this.#take(conn), listening: () => {}, failed: () => {} })
  }

  send(octets: Uint8Array): void {
    this.#conn?.write([octets], () => {})
  }

  forget(): void {
    this.updates = this.octets = 0
  }

  #take(conn: Conn): void {
    this.#conn = conn
    conn.onData(octets => this.#read(octets))
    this.send(this.#open)
  }

  #read(octets: Uint8Array): void {
    const all = Buffer.concat([this.#rest, octets])
    let at = 0
    while (all.length - at >= HEADER_LENGTH && all.length - at >= messageLength(all, at)) {
      const [length, type] = [messageLength(all, at), all[at + 18]]
      at += length
      if (type === OPEN || type === KEEPALIVE) this.send(keepalive)
      if (type !== UPDATE || length === this.#endOfRib) continue
      this.updates++
      this.octets += length
    }
    this.#rest = all.subarray(at)
  }
}

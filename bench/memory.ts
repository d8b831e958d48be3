// What a route takes in the tables of the speaker, by what each further peer adds: a whole speaker on the in-memory network, and all that
// its process has in use before and after; and what is the columns' of the tables that the first one brings. Prints one line of JSON:
// octets a route, by row.
//
//     node --expose-gc bench/memory.ts PREFIXES

import { growableAlive, octetsAlive } from './counts/columns.ts'
import { Simulation } from '../bgp/core.ts'
import { fullConfig } from '../bgp/simple-config.ts'
import { acceptAll, type Policy } from '../bgp/types.ts'
import { CountedPeer } from './counts/peer.ts'
import { addressOf, device, peerStation } from './generator/addresses.ts'
import { makeTraffic } from './generator/traffic.ts'
import { all } from './scenarios/scenario.ts'
import type { Row } from './scenarios/memory.ts'

const prefixes = Number(process.argv[2])
const sender = { prefixes, sets: prefixes * 0.15, receives: false }
const receiver = { prefixes: 0, sets: 0, receives: false }
const peers = [sender, sender, receiver, receiver, receiver]
const family = 'ipv4-unicast'
const { phases } = makeTraffic(
  { family, kind: 'ebgp', peers, hasSameTables: true, phases: [{ row: undefined, changes: all(peers, 'announce') }] },
  false,
)
/** Another view for the last peer, so that it is in an update group of its own. */
const otherView: Policy = {
  ...acceptAll,
  name: 'other',
  rules: [{ name: 'none', when: { med: { min: 1e9 } }, then: 'reject' }],
}

const net = new Simulation(1)
net.add(
  fullConfig({
    asn: device.asn,
    routerId: device.routerId,
    peers: peers.map((_, n) => {
      const station = peerStation(n, 'ebgp')
      const address = addressOf(station, family)
      return { address, remoteAs: station.asn, families: [family], ...(n === 4 && { export: otherView }) } as const
    }),
  }),
  addressOf(device, family),
)

/** What is in use. */
function inUse(): number {
  globalThis.gc?.()
  globalThis.gc?.() // what the first found dead may hold columns still
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers + growableAlive()
}

/** A peer comes, tells all it has, and is told all. */
function join(n: number): number {
  const before = inUse()
  const peer = new CountedPeer(net, n, 'ebgp', family)
  net.run(30)
  const octets = phases[0].sends.get(n)
  if (octets) peer.send(octets)
  net.run(30)
  if (!octets && peer.updates === 0) throw new Error(`peer ${n} was told of nothing`)
  return (inUse() - before) / prefixes
}

const first = join(0)
const columns = octetsAlive()
const found: Record<Row, number> = {
  'memory, first peer': first,
  'columns, Adj-RIB-In': columns['Adj-RIB-In'] / prefixes,
  'columns, Loc-RIB': columns['Loc-RIB'] / prefixes,
  'columns, Adj-RIB-Out': columns['Adj-RIB-Out'] / prefixes,
  'columns, attribute sets': columns['attribute sets'] / prefixes,
  'memory, Adj-RIB-In': join(1),
  'memory, receiver': Math.max(join(2), join(3)),
  'memory, Adj-RIB-Out': join(4),
}
console.log(JSON.stringify(found))
process.exit()

// What a whole speaker promises for any stream of octets from a peer: it has no fault of its own, and nobody else notices.

import { Simulation } from '../transport/simulation.ts'
import { Puppet } from './test-puppet.ts'
import { established, speaker } from './test-speakers.ts'

const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']

/**
 * Sends the messages to a speaker, after a good start, on a new session whenever one has ended; says which promise broke. With
 * `dripping` they come in pieces of a few octets.
 */
export function streamFault(messages: readonly Uint8Array[], dripping = false): string | undefined {
  const net = new Simulation(1)
  if (dripping) net.network.setLink(A, B, { piece: 5 })
  const puppet = new Puppet(net, B, { open: { capabilities: offers } }).listen()
  const a = speaker(net, A, 65001, { [B]: { remoteAs: 65002, nextHopSelf: { 'ipv6-unicast': 'fd00::1' } }, [C]: 65003 })
  const c = speaker(net, C, 65003, { [A]: 65001 })
  c.originate('10.3.0.0/24')
  net.runUntil(() => established([a, B], [a, C]), 20)
  for (const message of messages) {
    puppet.send(message)
    net.run(0.01)
    if (a.peer(B).state === 'Established') continue
    a.driver.with(engine => engine.resetPeer(B))
    net.runUntil(() => established([a, B]), 40)
  }
  net.run(1)
  const own = a.reports.find(report => report.text.includes('internal error'))
  if (own) return own.text
  if (a.peer(C).flaps + c.peer(A).flaps > 0) return 'the session of another peer ended'
  if (!a.table('ipv4-unicast').some(row => row.prefix === '10.3.0.0/24')) return 'the route of another peer is gone'
  return undefined
}

const offers = [
  { kind: 'multiprotocol', afi: 1, safi: 1 },
  { kind: 'multiprotocol', afi: 2, safi: 1 },
  { kind: 'routeRefresh' },
  { kind: 'fourOctetAs', asn: 65002 },
] as const

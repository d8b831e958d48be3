// Both ends dial at once (RFC 4271 §6.8), many times over: the lan is severed until every session has a SYN on its way from each
// end, so that both connections come up, and one of them has to go.

import { type Cell, openPolicies, OUR_AS, THEIR_AS } from '../kit/cell.ts'
import type { OurPeer } from '../kit/ours.ts'
import type { Neighbour } from '../kit/daemon.ts'
import type { Feature } from './feature.ts'

const SESSIONS = 12

/** `.20` and on are ours, `.120` and on are theirs. */
const addresses = Array.from({ length: SESSIONS }, (_, i) => ({
  own: `10.99.0.${20 + i}`,
  remote: `10.99.0.${120 + i}`,
}))

async function round(cell: Cell, routerId: string): Promise<void> {
  const { ours: our, theirs: their } = cell.lan.hosts
  const peers: Record<string, OurPeer> = {}
  for (const { own, remote } of addresses) {
    peers[remote] = { address: remote, localAddress: own, remoteAs: THEIR_AS, connectRetry: 1, ...openPolicies }
  }
  const neighbours: Neighbour[] = addresses.map(({ own, remote }) => ({
    address: own,
    local: remote,
    asn: OUR_AS,
    families: ['ipv4-unicast'],
  }))
  cell.lan.sever(true)
  const pair = await cell.start({ our: { routerId, peers }, their: { neighbours } })
  // Not every daemon dials all the time, so some of its sessions may wait for their next attempt.
  const dialing = async () => (await our.connections('syn-sent')) + (await their.connections('syn-sent'))
  await cell.until('both ends dial', async () => (await dialing()) >= SESSIONS * 1.5, true)
  cell.lan.sever(false)

  const up = async () => (await pair.ours.peers()).filter(({ state }) => state === 'Established').length
  await cell.until('every session comes up', up, SESSIONS)
  const received = async () => (await pair.ours.peers()).reduce((sum, peer) => sum + peer.prefixesAccepted, 0)
  await cell.until('with all routes', received, SESSIONS * 2)
  await cell.until('and one connection each', () => our.connections('established'), SESSIONS)
  const established = async () => {
    const sessions = await Promise.all(neighbours.map(neighbour => pair.theirs.session(neighbour)))
    return sessions.every(session => session.established)
  }
  await cell.until('the daemon agrees', established, true)
  const ofUs = async () => (await pair.theirs.routes()).filter(({ prefix }) => prefix.startsWith('10.1.')).length
  await cell.until('and has our routes of each', ofUs, SESSIONS * 2)
}

async function many(cell: Cell, routerId: string): Promise<void> {
  const { ours, theirs } = cell.lan.hosts
  ours.addAddresses(addresses.map(({ own }) => own))
  theirs.addAddresses(addresses.map(({ remote }) => remote))
  cell.lan.fixNeighbours({ ours: addresses.map(({ own }) => own), theirs: addresses.map(({ remote }) => remote) })
  await round(cell, routerId)
}

export const collisionTheirs: Feature = {
  title: 'Both dial at once, many times; its identifier is the higher one (RFC 4271 §6.8)',
  run: cell => many(cell, '1.1.1.1'),
}

export const collisionOurs: Feature = {
  title: 'Both dial at once, many times; ours is',
  run: cell => many(cell, '200.1.1.1'),
}

// iBGP and route reflection (RFC 4456), each end in the middle once: the routes of one client reach the other as they were, with
// the marks that keep them from going round.

import { type Cell, OUR_AS } from '../kit/cell.ts'
import type { Ours } from '../kit/ours.ts'
import type { Feature } from './feature.ts'

const third = [{ prefix: '10.3.0.0/24', communities: ['65001:3'], med: 4, localPref: 250 }]
const ibgp = { ourAs: OUR_AS, theirAs: OUR_AS } as const

/** A second speaker of ours, with a session to the reflector. */
function startThird(cell: Cell, reflector: string): Promise<Ours> {
  const { ipv4 } = cell.host('third')
  const peers = { reflector: { address: reflector, remoteAs: OUR_AS, connectRetry: 1 } }
  return cell.startOurs({ asn: OUR_AS, routerId: ipv4, peers }, third, { on: 'third' })
}

export const ibgpSession: Feature = {
  title: 'iBGP: LOCAL_PREF stays, the path is empty, nothing is passed on',
  async run(cell) {
    const hosts = cell.lan.hosts
    const pair = await cell.pair({
      ...ibgp,
      ourRoutes: [{ prefix: '10.1.0.0/24', localPref: 300, med: 3 }],
      our: {
        peers: {
          daemon: { address: hosts.theirs.ipv4, remoteAs: OUR_AS, connectRetry: 1 },
          third: { address: hosts.third.ipv4, remoteAs: OUR_AS, connectRetry: 1 },
        },
      },
    })
    const other = await startThird(cell, hosts.ours.ipv4)
    const ours = { prefix: '10.1.0.0/24', nextHop: hosts.ours.ipv4, asPath: '', localPref: 300, med: 3 }
    await cell.until('a second iBGP peer has our route', () => other.routes(), [{ prefix: '10.1.0.0/24' }])
    await cell.daemonHas(pair, [ours], 'the daemon has our route, and not that of the other iBGP peer')
    const theirs = { nextHop: hosts.theirs.ipv4, asPath: '', peer: 'daemon' }
    await cell.weHave(pair, [
      { ...theirs, prefix: '10.2.0.0/24' },
      { ...theirs, prefix: '10.2.1.0/26' },
      { prefix: '10.3.0.0/24', peer: 'third' },
    ])
    await cell.until('nor has the other that of the daemon', () => other.routes(), [{ prefix: '10.1.0.0/24' }])
  },
}

export const weReflect: Feature = {
  title: 'Route reflection: we reflect (RFC 4456)',
  async run(cell) {
    const { ours, theirs, third: other } = cell.lan.hosts
    const client = { remoteAs: OUR_AS, reflectorClient: true, connectRetry: 1 }
    const pair = await cell.pair({
      ...ibgp,
      ourRoutes: [],
      our: {
        clusterId: '9.9.9.9',
        peers: { daemon: { ...client, address: theirs.ipv4 }, third: { ...client, address: other.ipv4 } },
      },
    })
    const second = await startThird(cell, ours.ipv4)
    await cell.daemonHas(pair, [
      {
        prefix: '10.3.0.0/24',
        nextHop: other.ipv4,
        asPath: '',
        localPref: 250,
        med: 4,
        communities: ['65001:3'],
        originatorId: other.ipv4,
        clusterList: ['9.9.9.9'],
      },
    ])
    const reflected = { nextHop: theirs.ipv4, asPath: '', originatorId: theirs.ipv4, clusterList: ['9.9.9.9'] }
    await cell.until("the other client has the daemon's routes", () => second.routes(), [
      { ...reflected, prefix: '10.2.0.0/24' },
      { ...reflected, prefix: '10.2.1.0/26' },
    ])
    await second.kill()
    await cell.daemonHas(pair, [], 'a client that dies is withdrawn from the daemon')
  },
}

export const theyReflect: Feature = {
  title: 'Route reflection: the daemon reflects',
  async run(cell) {
    const { ours, theirs, third: other } = cell.lan.hosts
    const client = { asn: OUR_AS, local: theirs.ipv4, families: ['ipv4-unicast'], reflectorClient: true } as const
    const pair = await cell.pair({
      ...ibgp,
      their: {
        routes: [],
        neighbours: [
          { ...client, address: ours.ipv4 },
          { ...client, address: other.ipv4 },
        ],
      },
    })
    const second = await startThird(cell, theirs.ipv4)
    await cell.weHave(pair, [
      {
        prefix: '10.3.0.0/24',
        nextHop: other.ipv4,
        asPath: '',
        localPref: 250,
        med: 4,
        communities: ['65001:3'],
        originatorId: other.ipv4,
        clusterList: [theirs.ipv4],
      },
    ])
    const reflected = { nextHop: ours.ipv4, originatorId: ours.ipv4, clusterList: [theirs.ipv4] }
    await cell.until('the other client has our routes', () => second.routes(), [
      { ...reflected, prefix: '10.1.0.0/24' },
      { ...reflected, prefix: '10.1.1.0/26' },
    ])
  },
}

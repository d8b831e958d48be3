// IPv4 routes with IPv6 next hops on a session of IPv6 addresses (RFC 8950).

import type { Feature } from './feature.ts'

export const extendedNextHop: Feature = {
  title: 'Extended next hop: IPv4 routes by IPv6 next hops, both ways (RFC 8950)',
  async run(cell) {
    const { ours, theirs } = cell.lan.hosts
    const pair = await cell.pair({
      over: 'ipv6',
      families: ['ipv4-unicast', 'ipv6-unicast'],
      ourPeer: { extendedNextHop: true, nextHopSelf: {} },
      theirNeighbour: { extendedNextHop: true },
    })
    await cell.weHave(pair, [
      { prefix: '10.2.0.0/24', nextHop: theirs.ipv6 },
      { prefix: '10.2.1.0/26', nextHop: theirs.ipv6 },
    ])
    await cell.daemonHas(pair, [
      { prefix: '10.1.0.0/24', nextHop: ours.ipv6 },
      { prefix: '10.1.1.0/26', nextHop: ours.ipv6 },
    ])
    await pair.ours.originate([{ prefix: '10.1.0.0/24' }])
    await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24', nextHop: ours.ipv6 }], 'our withdrawal arrives there')
  },
}

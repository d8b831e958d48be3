// eBGP in one family and in both: routes with their attributes both ways, changes, withdrawals, and what is left when the other
// end dies.

import { type Cell, OUR_AS, THEIR_AS } from '../kit/cell.ts'
import type { Route } from '../kit/daemon.ts'
import type { Origination } from '../../../bgp/types.ts'
import type { Feature } from './feature.ts'

const prefixes = {
  ipv4: { ours: ['10.1.0.0/24', '10.1.1.0/26'], theirs: ['10.2.0.0/24', '10.2.1.0/26'] },
  ipv6: { ours: ['fd01::/64', 'fd01:0:0:1::/64'], theirs: ['fd02::/64', 'fd02:0:0:1::/64'] },
} as const

async function exchange(cell: Cell, over: 'ipv4' | 'ipv6', versions: readonly ('ipv4' | 'ipv6')[]): Promise<void> {
  const { ours, theirs } = cell.lan.hosts
  const first = versions.map(version => prefixes[version].ours[0])
  const ourRoutes: Origination[] = versions.flatMap(version => [
    { prefix: prefixes[version].ours[0], med: 7, communities: ['65001:20'] },
    { prefix: prefixes[version].ours[1] },
  ])
  const theirRoutes: Route[] = versions.flatMap(version => [
    { prefix: prefixes[version].theirs[0], med: 9, communities: ['65002:30'], path: [THEIR_AS] },
    { prefix: prefixes[version].theirs[1] },
  ])
  const pair = await cell.pair({ over, families: versions.map(v => `${v}-unicast` as const), ourRoutes, theirRoutes })

  const atDaemon = versions.flatMap(version => [
    {
      prefix: prefixes[version].ours[0],
      nextHop: ours[version],
      asPath: `${OUR_AS}`,
      med: 7,
      origin: 'igp',
      communities: ['65001:20'],
    },
    { prefix: prefixes[version].ours[1], nextHop: ours[version], asPath: `${OUR_AS}`, communities: [] },
  ])
  await cell.daemonHas(pair, atDaemon)
  const atUs = versions.flatMap(version => [
    {
      prefix: prefixes[version].theirs[0],
      nextHop: theirs[version],
      asPath: `${THEIR_AS} ${THEIR_AS}`,
      med: 9,
      communities: ['65002:30'],
    },
    { prefix: prefixes[version].theirs[1], nextHop: theirs[version], asPath: `${THEIR_AS}`, communities: [] },
  ])
  await cell.weHave(pair, atUs)

  await pair.ours.originate(
    ourRoutes.map(route => (first.includes(route.prefix as never) ? { ...route, med: 8 } : route)),
  )
  await cell.daemonHas(
    pair,
    atDaemon.map(seen => (seen.med === 7 ? { ...seen, med: 8 } : seen)),
    'a change arrives there',
  )
  await pair.ours.originate(ourRoutes.filter(route => !first.includes(route.prefix as never)))
  await cell.daemonHas(
    pair,
    atDaemon.filter(({ med }) => med !== 7),
    'our withdrawal arrives there',
  )
  await pair.theirs.originate(theirRoutes.filter(({ med }) => med === undefined))
  await cell.weHave(
    pair,
    atUs.filter(({ med }) => med === undefined),
    'its withdrawal arrives here',
  )
  await pair.theirs.kill()
  await cell.weHave(pair, [], 'its routes go when it dies')
}

export const ebgpIpv4: Feature = { title: 'eBGP, IPv4', run: cell => exchange(cell, 'ipv4', ['ipv4']) }
export const ebgpIpv6: Feature = { title: 'eBGP, IPv6', run: cell => exchange(cell, 'ipv6', ['ipv6']) }
export const dualStack: Feature = {
  title: 'Both families on one session (RFC 4760)',
  run: cell => exchange(cell, 'ipv4', ['ipv4', 'ipv6']),
}

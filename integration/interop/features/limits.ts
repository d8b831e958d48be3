// Prefix limits (RFC 4271 §6.7, RFC 4486), and what the other end is told.

import type { Feature } from './feature.ts'

const many = (count: number, net: number) =>
  Array.from({ length: count }, (_, i) => ({ prefix: `10.${net}.${i}.0/24` }))

export const ourPrefixLimit: Feature = {
  title: 'Prefix limit of ours: the daemon is told (RFC 4486)',
  async run(cell) {
    const limit = { limit: 5, action: 'restart', restartAfter: 3 } as const
    const ourPeer = { maxPrefixes: { 'ipv4-unicast': limit } }
    const pair = await cell.pair({ ourPeer, ourRoutes: [], theirRoutes: many(5, 2) })
    await cell.weHave(pair, many(5, 2), 'at the limit all is well')
    await pair.theirs.originate(many(6, 2))
    await cell.weHave(pair, [], 'one more ends the session')
    await cell.until('the daemon tells why', () => pair.theirs.session(pair.neighbour), {
      text: /max(imum)?[ -]?(number of )?prefix(es)?|prefix limit|cease[^\n]*\b1\b/i,
    })
    await pair.theirs.originate(many(4, 2))
    await cell.weHave(pair, many(4, 2), 'it comes back by itself')
  },
}

export const theirPrefixLimit: Feature = {
  title: 'Prefix limit of the daemon: we say so',
  async run(cell) {
    const pair = await cell.pair({ theirNeighbour: { prefixLimit: 5 }, ourRoutes: many(5, 1) })
    await cell.daemonHas(pair, many(5, 1), 'at the limit all is well')
    // FRR looks before it counts, so one more is not enough.
    await pair.ours.originate(many(7, 1))
    // A daemon that is slow to disable the session may let us in once more.
    await cell.until('we tell why the session ended', () => pair.ours.peer('daemon'), {
      lastError: /Maximum Number of Prefixes Reached/,
    })
  },
}

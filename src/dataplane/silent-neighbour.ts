// A neighbour that says nothing any more is passed over at once by every route that has another next hop.
//
// Routes are replaced one by one, which takes a second for a hundred thousand of them. Whether a next hop of several answers, the kernel
// asks its neighbour entry at each packet, though, with fib_multipath_use_neigh (fib_select_multipath in net/ipv4/fib_semantics.c). An
// entry that has failed moves what goes by all routes, in one message. So it is for routes of IPv4, by next hops of either family; for
// those of IPv6 the kernel asks only on a node that does not forward (rt6_score_route in net/ipv6/route.c).
//
// It harms nobody who lives: the first packet to such a neighbour asks for its address anew, and the answer makes it a next hop again.

import type { Neighbour, Result, Rtnetlink } from '../../netlink/types.ts'

/** `links`: indices of those that it may be at. Resolves with what the kernel answered, one each for its entries. */
export async function passOver(
  socket: Pick<Rtnetlink, 'neighbours' | 'apply'>,
  address: string,
  links: readonly number[],
): Promise<readonly Result[]> {
  const known = await socket.neighbours(address.includes(':') ? 6 : 4)
  const entries = known.filter(one => one.address === address && links.includes(one.link) && isLearned(one))
  return entries.length === 0
    ? []
    : socket.apply(
        entries.map(({ link }) => ({ do: 'neighbour.set', neighbour: { link, address, state: 'failed' } }) as const),
      )
}

/** Of an entry that somebody wrote the kernel asks nobody. */
function isLearned({ state, proxy }: Neighbour): boolean {
  return !proxy && ['reachable', 'stale', 'delay', 'probe'].includes(state)
}

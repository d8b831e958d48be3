// Sessions that are down, as the status tells them: who looks at a node at a glance wants to see the router that is missing, and not each
// node of a large mesh that has not come up.

import type { PeerSummary } from '../api/contract.ts'

/** Told one by one. */
const shown = 10

/** Sentences: those with routers and reflectors first, in their order. */
export function downSessions(
  peers: readonly Pick<PeerSummary, 'name' | 'address' | 'state' | 'lastError'>[],
): readonly string[] {
  const down = peers.filter(({ state }) => state !== 'Established')
  const ordered = down.toSorted((a, b) => Number(isMesh(a)) - Number(isMesh(b)))
  const told = ordered
    .slice(0, shown)
    .map(
      ({ name, address, state, lastError }) =>
        `session ${name} (${address}) is ${state}: ${lastError ?? 'it has not come up yet'}`,
    )
  if (down.length <= shown) return told
  return [
    `${down.length} of ${peers.length} sessions are down, of which ${shown} are listed; margayctl bgp summary has all`,
    ...told,
  ]
}

function isMesh({ name }: { readonly name: string }): boolean {
  return name.startsWith('mesh/')
}

// A router that is asked what its neighbours took back.

import type { Scene } from './event.ts'

/** How many routes that the witness, a BIRD, had of its neighbours they have withdrawn, in each family. */
export async function withdrawnFrom({ lab, fabric: { witness } }: Scene): Promise<readonly (readonly number[])[]> {
  if (!witness) return []
  return Promise.all(
    witness.neighbours.map(async neighbour => {
      const all = await lab.exec(witness.router, 'birdc', 'show', 'protocols', 'all', neighbour)
      // Received, rejected, filtered, ignored, accepted: what the neighbour withdraws without having announced it is ignored.
      const counts = [...all.matchAll(/Import withdraws:.*?(\d+)$/gm)].map(([, accepted]) => Number(accepted))
      if (counts.length !== 2) throw new Error(`${witness.router} counts ${counts.length} families of ${neighbour}`)
      return counts
    }),
  )
}

// The greatest packet that a path carries, by sending some. Pure: how to send one is passed in.
//
// A router that says "too big" names what it takes, which saves steps; one that drops without a word is found by halving. What
// bounds the result is asked once more if it was silence, because packets are lost for other reasons, too.

/** What became of one packet: it arrived; it did not, and somebody named what would (0: nobody did); or why none will. */
export type ProbeOutcome =
  { readonly passed: true } | { readonly passed: false; readonly named: number; readonly why?: string }

export type PathMtu =
  | { readonly ok: true; readonly octets: number; /** Packets that were sent. */ readonly probes: number }
  | { readonly ok: false; readonly why: string; readonly probes: number }

export interface PathMtuSearch {
  readonly probe: (octets: number) => Promise<ProbeOutcome>
  /** What every network of the family carries, and what the own link does: octets. */
  readonly least: number
  readonly most: number
}

export async function findPathMtu({ probe, least, most }: PathMtuSearch): Promise<PathMtu> {
  let probes = 0
  const send = (octets: number): Promise<ProbeOutcome> => {
    probes++
    return probe(octets)
  }
  const whole = await send(most)
  if (whole.passed) return { ok: true, octets: most, probes }
  for (let left = 2; ; left--) {
    const smallest = await send(least)
    if (smallest.passed) break
    if (left === 1 || most === least) return { ok: false, why: smallest.why ?? 'nobody answers', probes }
  }
  // `low` passes, `high` did not when it was last tried.
  let [low, high, named] = [least, most, whole.named]
  let isSure = whole.named > 0
  for (;;) {
    while (high - low > 1) {
      const next = named > low && named < high ? named : Math.floor((low + high) / 2)
      const outcome = await send(next)
      if (outcome.passed) low = next
      else [high, isSure] = [next, outcome.named > 0]
      // Who named what passes has said that no more does.
      if (outcome.passed && next === named) high = next + 1
      named = outcome.passed ? 0 : outcome.named
    }
    if (isSure) return { ok: true, octets: low, probes }
    const again = await send(high)
    if (!again.passed) return { ok: true, octets: low, probes }
    if (high === most) return { ok: true, octets: most, probes }
    ;[low, high] = [high, most]
  }
}

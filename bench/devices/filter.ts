// A long filter that nothing matches: the prefixes are of the lan of the bench, the communities and ASes of nobody.

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

export const filter = {
  /** With all that is more specific, to /32. */
  prefixes: numbers(100).map(i => `10.${i}.0.0/16`),
  communities: numbers(100).map(i => ({ asn: 64_999, value: 5_000 + i })),
  /** Somewhere in the path the first, and behind it at once the second. */
  pairs: numbers(20).map(i => [64_700 + i, 64_800 + i] as const),
}

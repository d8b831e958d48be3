// A table of prefixes that is spread as a real one: runs of neighbouring prefixes all over the address space, lengths as in the
// tables that route collectors keep, attribute sets of which few have many prefixes and many have one or two.

import type { Family } from '../../bgp/types.ts'
import { randomFrom, shuffle, weighted } from './random.ts'

/** Prefixes by index, in the order in which their sender announces them. */
export interface Table {
  readonly family: Family
  readonly length: number
  /** First 32 bits of the prefix, and the next 32. */
  readonly high: Uint32Array
  readonly low: Uint32Array
  readonly lengths: Uint8Array
  /** Attribute set of each; those of one set are side by side. */
  readonly sets: Uint32Array
  readonly slices: readonly Slice[]
}

/** What one sender has: `[from, to)` of the prefixes, and of the sets. */
export interface Slice {
  readonly from: number
  readonly to: number
  readonly fromSet: number
  readonly toSet: number
  /** What is added to the table's number of a set, where several have the same prefixes. */
  readonly shift?: number
}

interface Space {
  /** Bits of a unit's number: an IPv4 address, an IPv6 /48. */
  readonly bits: number
  readonly from: number
  readonly to: number
  /** Prefix lengths with their shares. */
  readonly lengths: readonly (readonly [length: number, share: number])[]
  readonly isExcluded: (unit: number) => boolean
}

const spaces: Readonly<Record<Family, Space>> = {
  'ipv4-unicast': {
    bits: 32,
    from: 2 ** 24,
    to: 224 * 2 ** 24,
    // prettier-ignore
    lengths: [[24, 60], [23, 10], [22, 11], [21, 5.5], [20, 4.5], [19, 3], [18, 2], [17, 0.8], [16, 0.8], [32, 0.4]],
    // The lan of the bench, the loopback, and link-local addresses, which are no routes.
    isExcluded: unit => unit >>> 24 === 10 || unit >>> 24 === 127 || unit >>> 16 === 0xa9fe,
  },
  'ipv6-unicast': {
    bits: 48,
    from: 0x240000000000,
    to: 0x2c0000000000,
    // prettier-ignore
    lengths: [[48, 48], [32, 13], [44, 12], [40, 9], [36, 6], [46, 4], [29, 3], [47, 3], [45, 2]],
    isExcluded: () => false,
  },
}

/** Makes the tables of several senders, no prefix twice. */
export function makeTable(
  family: Family,
  senders: readonly { readonly prefixes: number; readonly sets: number }[],
  seed = 1,
): Table {
  const random = randomFrom(seed)
  const total = senders.reduce((sum, { prefixes }) => sum + prefixes, 0)
  const spread = spreadPrefixes(spaces[family], total, random)
  const sets = new Uint32Array(total)
  const slices: Slice[] = []
  let prefix = 0
  let set = 0
  for (const sender of senders) {
    const counts = countsOf(sender.prefixes, sender.sets, random)
    const [from, fromSet] = [prefix, set]
    for (const count of counts) {
      sets.fill(set++, prefix, prefix + count)
      prefix += count
    }
    slices.push({ from, to: prefix, fromSet, toSet: set })
  }
  return { family, length: total, ...spread, sets, slices }
}

/** How many prefixes each set has: at least one, some very many. */
function countsOf(prefixes: number, sets: number, random: () => number): Uint32Array {
  const counts = new Uint32Array(sets).fill(1)
  for (let left = prefixes - sets; left > 0; left--) counts[Math.floor(sets * random() ** 3)]++
  shuffle(random, counts)
  return counts
}

function spreadPrefixes(space: Space, total: number, random: () => number): Pick<Table, 'high' | 'low' | 'lengths'> {
  const runs: { readonly length: number; readonly count: number }[] = []
  let units = 0
  for (let left = total; left > 0;) {
    const length = weighted(random, space.lengths)
    const count = Math.min(left, 1 + Math.floor(random() ** 2 * 8))
    runs.push({ length, count })
    // A run begins at a multiple of its prefixes' size.
    units += (count + 1) * 2 ** (space.bits - length)
    left -= count
  }
  const gap = Math.max(0, ((space.to - space.from) * 0.95 - units) / runs.length)
  const first: { readonly unit: number; readonly length: number; readonly count: number }[] = []
  let at = space.from
  for (const { length, count } of runs) {
    const size = 2 ** (space.bits - length)
    at = Math.ceil((at + Math.floor(random() * 1.8 * gap)) / size) * size
    while (space.isExcluded(at) || space.isExcluded(at + count * size - 1))
      at = (Math.floor(at / 2 ** 24) + 1) * 2 ** 24
    first.push({ unit: at, length, count })
    at += count * size
  }
  if (at > space.to) throw new Error(`${total} prefixes do not fit into the address space: ask for fewer`)
  const order = Uint32Array.from(first, (_, i) => i)
  shuffle(random, order)
  const table = { high: new Uint32Array(total), low: new Uint32Array(total), lengths: new Uint8Array(total) }
  let i = 0
  for (const run of order) {
    const { unit, length, count } = first[run]
    for (let n = 0; n < count; n++, i++) {
      const value = (unit + n * 2 ** (space.bits - length)) * 2 ** (64 - space.bits)
      table.high[i] = Math.floor(value / 2 ** 32)
      table.low[i] = value % 2 ** 32
      table.lengths[i] = length
    }
  }
  return table
}

/** `192.0.2.0/24`, for messages. */
export function prefixText({ family, high, low, lengths }: Table, i: number): string {
  const octets = [24, 16, 8, 0].map(shift => (high[i] >>> shift) & 255)
  if (family === 'ipv4-unicast') return `${octets.join('.')}/${lengths[i]}`
  const groups = [high[i] >>> 16, high[i] & 0xffff, low[i] >>> 16, low[i] & 0xffff]
  return `${groups.map(group => group.toString(16)).join(':')}::/${lengths[i]}`
}

import t from 'tap'
import * as fc from 'fast-check'
import { contains, formatPrefix, parsePrefix } from '../../inet/index.ts'
import { PrefixTable } from '../tables/prefix-table.ts'
import type { PrefixRange } from '../types.ts'
import { PrefixSet } from './prefix-set.ts'

/** What a range means, in one line. */
function means({ prefix, min, max }: PrefixRange, text: string, bits: number): boolean {
  const [outer, inner] = [parsePrefix(prefix)!, parsePrefix(text)!]
  const longest = max ?? (min === undefined ? outer.length : bits)
  return contains(outer, inner) && inner.length >= (min ?? outer.length) && inner.length <= longest
}

for (const bits of [32, 128] as const) {
  const prefix = fc.record({ low: fc.nat(3), high: fc.nat(3), length: fc.nat(bits) }).map(({ low, high, length }) => {
    const octets = new Uint8Array(bits / 8)
    octets[0] = 32 + high
    octets[bits / 8 - 1] = low
    octets[Math.floor(bits / 16)] = high * 64 + low
    for (let bit = length; bit < bits; bit++) octets[bit >> 3] &= ~(128 >> (bit & 7))
    return formatPrefix({ family: bits === 32 ? 4 : 6, octets, length })
  })
  const range = fc.record({ prefix, min: fc.nat(bits), max: fc.nat(bits) }, { requiredKeys: ['prefix'] })

  t.test(`a compiled list means what its ranges mean, ${bits} bits`, async t => {
    fc.assert(
      fc.property(
        fc.array(range, { maxLength: 30 }),
        fc.array(prefix, { minLength: 1, maxLength: 30 }),
        (list, texts) => {
          const table = new PrefixTable(bits, 7, 1 << 16)
          const set = new PrefixSet(table, list)
          return texts.every(text => {
            if (!table.readText(text)) return false
            return set.has(table.obtain()) === list.some(one => means(one, text, bits))
          })
        },
      ),
      { numRuns: 500 },
    )
    t.pass('whatever the list')
  })
}

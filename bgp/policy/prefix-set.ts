// A prefix list with ranges, compiled: as many look-ups as the list has different lengths, however long the list is.

import { parsePrefix } from '../../inet/index.ts'
import type { PrefixTable } from '../tables/prefix-table.ts'
import { mix } from '../tables/sharded-index.ts'
import type { PrefixRange } from '../types.ts'

interface Range {
  /** Address words of the prefix, all four octets of each. */
  readonly words: readonly number[]
  readonly min: number
  readonly max: number
}

/** Ranges whose own prefixes have one length. */
interface Level {
  readonly length: number
  /** One for each word that the length reaches. */
  readonly masks: readonly number[]
  readonly ranges: Map<number, Range[]>
}

export class PrefixSet {
  readonly #prefixes: PrefixTable
  /** Shortest first. */
  readonly #levels: readonly Level[]

  /** Ranges of the table's family; those of another are passed over. */
  constructor(prefixes: PrefixTable, list: readonly PrefixRange[]) {
    this.#prefixes = prefixes
    const levels = new Map<number, Level>()
    for (const { prefix: text, min, max } of list) {
      const prefix = parsePrefix(text)
      if (!prefix || prefix.octets.length * 8 !== prefixes.bits) continue
      const { length, octets } = prefix
      const level = levels.get(length) ?? { length, masks: masksOf(length), ranges: new Map() }
      levels.set(length, level)
      const view = new DataView(octets.buffer, octets.byteOffset, octets.length)
      const words = level.masks.map((mask, n) => view.getUint32(n * 4) & mask)
      const range = {
        words,
        min: Math.max(min ?? length, length),
        max: max ?? (min === undefined ? length : prefixes.bits),
      }
      const hash = words.reduce(combine, 0)
      const same = level.ranges.get(hash)
      if (same) same.push(range)
      else level.ranges.set(hash, [range])
    }
    this.#levels = [...levels.values()].toSorted((a, b) => a.length - b.length)
  }

  /** Whether the prefix with that id is in one of the ranges. */
  has(prefix: number): boolean {
    const length = this.#prefixes.length(prefix)
    for (const level of this.#levels) {
      if (level.length > length) return false
      const { masks } = level
      let hash = 0
      for (let n = 0; n < masks.length; n++) hash = combine(hash, this.#prefixes.word(prefix, n) & masks[n])
      const ranges = level.ranges.get(hash)
      if (ranges?.some(range => length >= range.min && length <= range.max && this.#inside(prefix, range, masks))) {
        return true
      }
    }
    return false
  }

  #inside(prefix: number, { words }: Range, masks: readonly number[]): boolean {
    for (let n = 0; n < words.length; n++) if ((this.#prefixes.word(prefix, n) & masks[n]) !== words[n]) return false
    return true
  }
}

function masksOf(length: number): number[] {
  const masks: number[] = []
  for (let n = 0; n * 32 < length; n++) masks.push(length >= (n + 1) * 32 ? -1 : -1 << (32 - (length - n * 32)))
  return masks
}

function combine(hash: number, word: number): number {
  return mix(Math.imul(hash, 0x9e3779b1) ^ word)
}

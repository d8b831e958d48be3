// Nearly right messages: a good one with something changed, as a fuzzer and hostile peers send them.

import type { Random } from '../fsm/random.ts'
import { HEADER_LENGTH } from './header.ts'

/** Octets at which lengths, counts and types turn. */
const edges = [0, 1, 2, 3, 4, 5, 6, 8, 12, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 192, 254, 255]

type Mutation = (octets: number[], pick: (below: number) => number, other: Uint8Array) => void

const mutations: readonly Mutation[] = [
  // One bit.
  (octets, pick) => {
    octets[pick(octets.length)] ^= 1 << pick(8)
  },
  // One octet, to any value, or to one at an edge.
  (octets, pick) => {
    octets[pick(octets.length)] = pick(256)
  },
  (octets, pick) => {
    octets[pick(octets.length)] = edges[pick(edges.length)]
  },
  // One more or one less, as in a length.
  (octets, pick) => {
    const at = pick(octets.length)
    octets[at] = (octets[at] + (pick(2) ? 1 : 255)) & 255
  },
  // Octets left out, put in, or said twice.
  (octets, pick) => {
    octets.splice(pick(octets.length), 1 + pick(8))
  },
  (octets, pick) => {
    octets.splice(pick(octets.length), 0, ...Array.from({ length: 1 + pick(8) }, () => edges[pick(edges.length)]))
  },
  (octets, pick) => {
    const at = pick(octets.length)
    octets.splice(pick(octets.length), 0, ...octets.slice(at, at + 1 + pick(40)))
  },
  // The end is missing.
  octets => {
    octets.length = Math.max(1, octets.length >> 1)
  },
  // Part of another message.
  (octets, pick, other) => {
    const at = pick(other.length)
    const piece = other.subarray(at, at + 1 + pick(60))
    octets.splice(pick(octets.length), pick(2) ? piece.length : 0, ...piece)
  },
]

/**
 * The message with one to six things changed behind its header, `other` lending pieces. The header's length is set right
 * again, except now and then, so that what is inside is looked at.
 */
export function mutate(message: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const pick = (below: number) => Math.floor(random.next() * Math.max(1, below))
  const body = [...message.subarray(HEADER_LENGTH)]
  for (let left = 1 + pick(6); left > 0; left--) {
    if (body.length === 0) body.push(0)
    mutations[pick(mutations.length)](body, pick, other.subarray(HEADER_LENGTH))
  }
  const whole = [...message.subarray(0, HEADER_LENGTH), ...body.slice(0, 4096 - HEADER_LENGTH)]
  if (pick(50) > 0) {
    whole[16] = whole.length >> 8
    whole[17] = whole.length & 255
  }
  if (pick(100) === 0) whole[pick(HEADER_LENGTH)] = pick(256)
  return Uint8Array.from(whole)
}

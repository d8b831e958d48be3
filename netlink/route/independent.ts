// Deletions of IPv4 routes, which do not depend on each other and so may go to the kernel in any order.
//
// Linux keeps IPv4 routes in tries whose nodes are arrays (net/ipv4/fib_trie.c). Where each route that goes lies beside the one before,
// as in a sorted list, an array is made anew with every few of them, and looked through each time: 100,000 deletions took the kernel
// three times as long as scattered ones, 300,000 twenty times. With routes that come it gains no more than the scattering costs.

import { littleEndian } from '../core/protocol.ts'
import type { Scattering } from '../core/scattered.ts'
import { AF_INET, del, rtm } from './values.ts'

/** Words of a message: type and flags; then struct rtmsg, and where the destination stands, which is its first attribute. */
const TYPE = 1
const FAMILY = 4
const DESTINATION = 8

export const independentDeletions: Scattering = {
  kindOf(words, start) {
    const type = littleEndian ? words[start + TYPE] & 0xffff : words[start + TYPE] >>> 16
    return type === rtm.route + del && octetOf(words[start + FAMILY], 0) === AF_INET ? type : 0
  },

  /** A hash with open addressing. */
  areDistinct(words, starts) {
    const size = 2 ** Math.ceil(Math.log2(2 * starts.length + 1))
    const seen = new Uint32Array(size) // the word at which a message begins, and one
    for (const start of starts) {
      const [destination, length] = [destinationOf(words, start), lengthOf(words, start)]
      let slot = (Math.imul(destination ^ Math.imul(length, 0x9e3779b1), 0x85ebca6b) >>> 7) & (size - 1)
      for (; seen[slot] !== 0; slot = (slot + 1) & (size - 1)) {
        const other = seen[slot] - 1
        if (destinationOf(words, other) === destination && lengthOf(words, other) === length) return false
      }
      seen[slot] = start + 1
    }
    return true
  },
}

function lengthOf(words: Uint32Array, start: number): number {
  return octetOf(words[start + FAMILY], 1)
}

/** The default route has none. */
function destinationOf(words: Uint32Array, start: number): number {
  return lengthOf(words, start) === 0 ? 0 : words[start + DESTINATION]
}

/** The n-th octet in memory. */
function octetOf(word: number, n: number): number {
  return (word >>> (littleEndian ? 8 * n : 24 - 8 * n)) & 255
}

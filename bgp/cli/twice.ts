// Keys that are written twice in one object: JSON.parse keeps the last one and says nothing, and a peer would be lost.

import { join } from './shape.ts'

/** Texts, and the signs between values; numbers and words do not matter here. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g

interface Open {
  /** Undefined: a list. */
  readonly keys: Set<string> | undefined
  readonly at: string
  index: number
}

/** The places of such keys in a text that is JSON. */
export function writtenTwice(content: string): readonly string[] {
  const found: string[] = []
  const open: Open[] = []
  let last = ''
  /** Where the next value stands. */
  let at = ''
  for (const [token] of content.matchAll(TOKENS)) {
    const inside = open.at(-1)
    if (token === '{') open.push({ keys: new Set(), at, index: 0 })
    else if (token === '[') {
      open.push({ keys: undefined, at, index: 0 })
      at = `${at}[0]`
    } else if (token === '}' || token === ']') open.pop()
    else if (token === ',' && inside && !inside.keys) at = `${inside.at}[${++inside.index}]`
    else if (token === ':' && inside?.keys) {
      const key = JSON.parse(last) as string
      at = join(inside.at, key)
      if (inside.keys.has(key)) found.push(at)
      inside.keys.add(key)
    }
    last = token
  }
  return found
}

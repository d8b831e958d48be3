// A section of the plan: worked out again only when something that it is made from is another object than before. And the same for
// what is worked out of single objects, of which a cluster has thousands.

import { isDeepStrictEqual } from 'node:util'

/** Works out something of an object once: objects of a snapshot are never written to, and those that did not change stay the same. */
export function perObject<K extends object, V>(work: (object: K) => V): (object: K) => V {
  const known = new WeakMap<K, { readonly value: V }>()
  return object => {
    let found = known.get(object)
    if (!found) known.set(object, (found = { value: work(object) }))
    return found.value
  }
}

/** The same of two objects. */
export function perPair<A extends object, B extends object, V>(work: (a: A, b: B) => V): (a: A, b: B) => V {
  const known = perObject((a: A) => perObject((b: B) => work(a, b)))
  return (a, b) => known(a)(b)
}

/**
 * What is worked out of each object of a list that changes in few places: what stands where it stood is not even looked up. A result that
 * equals the one at its place before stays the same object, and a list of nothing but such results the same list.
 */
export function perElement<K extends object, V>(work: (object: K) => V): (list: readonly K[]) => readonly V[] {
  const known = perObject(work)
  let from: readonly K[] = []
  let results: readonly V[] = []
  return list => {
    if (list === from) return results
    let at = 0
    const fresh = list.map((object, i) => {
      // One that is gone, or one that is new, moves the rest by one place.
      if (object !== from[at] && object === from[at + 1]) at++
      if (object === from[at]) return results[at++]
      const made = known(object)
      if (at >= from.length || list[i + 1] === from[at]) return made
      const before = results[at++]
      return isDeepStrictEqual(made, before) ? before : made
    })
    const isSame = fresh.length === results.length && fresh.every((each, i) => each === results[i])
    from = list
    if (!isSame) results = fresh
    return results
  }
}

export class Section<T> {
  readonly #name: string
  readonly #ran: string[]
  #last: { readonly from: readonly unknown[]; readonly result: T } | undefined

  /** Each run is noted by name in `ran`. */
  constructor(name: string, ran: string[]) {
    this.#name = name
    this.#ran = ran
  }

  /** An equal result keeps its identity, so that what is made from it is not worked out again either. */
  get(from: readonly unknown[], work: () => T): T {
    const last = this.#last
    if (last?.from.length === from.length && last.from.every((each, i) => Object.is(each, from[i]))) return last.result
    this.#ran.push(this.#name)
    const fresh = work()
    const result = last && isDeepStrictEqual(fresh, last.result) ? last.result : fresh
    this.#last = { from, result }
    return result
  }
}

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

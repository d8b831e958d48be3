// A section of the plan: worked out again only when something that it is made from is another object than before.

import { isDeepStrictEqual } from 'node:util'

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

// The transform half of a rule: an attribute set in, an attribute set out.

import type { AttributeSets } from '../tables/attribute-sets.ts'
import type { SetId, Transform } from '../types.ts'
import {
  asPath,
  AttributeWalker,
  communities,
  localPref,
  med,
  parseCommunity,
  putUint32,
  uint32,
} from '../wire/attributes.ts'
import { type Edit, prependAs, Rewriter } from './rewrite.ts'

/** One transform, compiled. `self` is what next hop `self` means where the policy is used. */
export class SetTransform {
  readonly #sets: AttributeSets
  readonly #transform: Transform
  readonly #self: Uint8Array
  readonly #add: readonly number[]
  readonly #remove: ReadonlySet<number>

  constructor(sets: AttributeSets, transform: Transform, self: Uint8Array) {
    this.#sets = sets
    this.#transform = transform
    this.#self = self
    this.#add = numbers(transform.addCommunities)
    this.#remove = new Set(numbers(transform.removeCommunities))
  }

  /** The transformed set, with a reference. */
  apply(set: number): SetId {
    const sets = this.#sets
    const edits: Edit[] = []
    const { prepend, localPref: preference } = this.#transform
    if (prepend && prepend.count > 0) edits.push(this.#prepended(set, prepend.asn, prepend.count))
    if (this.#transform.med === 'remove') edits.push({ ...med, value: NOTHING, length: -1 })
    else if (this.#transform.med !== undefined) edits.push(numberEdit(med, this.#transform.med))
    if (preference !== undefined) edits.push(numberEdit(localPref, preference))
    if (this.#add.length > 0 || this.#remove.size > 0) edits.push(this.#communities(set))
    rewriter.run(sets.octets, sets.from(set), sets.to(set), edits)
    const nextHop = this.#transform.nextHop === 'self' ? this.#self : sets.nextHops.octets(sets.nextHop[set])
    return sets.intern(rewriter.octets, 0, rewriter.length, nextHop)
  }

  #prepended(set: number, asn: number, count: number): Edit {
    const { octets } = this.#sets
    walker.reset(octets, this.#sets.from(set), this.#sets.to(set))
    const [from, to] = walker.find(asPath.code) ? [walker.from, walker.to] : [0, 0]
    const value = new Uint8Array(to - from + count * 4 + Math.ceil(count / 255) * 2)
    return { ...asPath, value, length: prependAs(octets, from, to, asn, count, value) }
  }

  #communities(set: number): Edit {
    const { octets } = this.#sets
    const values: number[] = []
    walker.reset(octets, this.#sets.from(set), this.#sets.to(set))
    if (walker.find(communities.code)) {
      for (let at = walker.from; at < walker.to; at += 4) values.push(uint32(octets, at))
    }
    const kept = values.filter(value => !this.#remove.has(value))
    for (const value of this.#add) if (!kept.includes(value)) kept.push(value)
    const value = new Uint8Array(kept.length * 4)
    kept.forEach((community, i) => putUint32(value, i * 4, community))
    return { ...communities, value, length: kept.length > 0 ? value.length : -1 }
  }
}

const NOTHING = new Uint8Array(0)
const walker = new AttributeWalker()
const rewriter = new Rewriter()

function numberEdit(type: { readonly code: number; readonly flags: number }, number: number): Edit {
  const value = new Uint8Array(4)
  putUint32(value, 0, number)
  return { code: type.code, flags: type.flags, value, length: 4 }
}

function numbers(texts: readonly string[] = []): number[] {
  return texts.map(parseCommunity).filter(value => value !== undefined)
}

// The transform half of a rule: an attribute set in, an attribute set out.

import { parseAddress } from '../../inet/index.ts'
import type { AttributeSets } from '../tables/attribute-sets.ts'
import type { SetId, Transform } from '../types.ts'
import { aigp, asPath, AttributeWalker, localPref, med, origin, putUint32 } from '../wire/attributes.ts'
import { communityKinds, type CommunityPattern, fits, parseAnyCommunity, parseCommunityPattern } from './communities.ts'
import { SetMemo } from './memo.ts'
import { type Edit, prependAs, Rewriter } from './rewrite.ts'

/** One transform, compiled. `self` is what next hop `self` means where the policy is used. */
export class SetTransform {
  readonly #sets: AttributeSets
  readonly #transform: Transform
  /** The next hop to set, of a length that the family has; undefined: as it is. */
  readonly #hop: Uint8Array | undefined
  readonly #communities: readonly CommunityEdits[]

  constructor(sets: AttributeSets, transform: Transform, self: Uint8Array) {
    this.#sets = sets
    this.#transform = transform
    const { nextHop } = transform
    const given = nextHop === undefined || nextHop === 'self' ? undefined : parseAddress(nextHop)?.octets
    this.#hop = nextHop === 'self' ? self : given?.length === sets.nextHops.size ? given : undefined
    this.#communities = communityEdits(transform)
  }

  /** The transformed set, with a reference. */
  apply(set: number): SetId {
    const sets = this.#sets
    const { prepend, localPref: preference, origin: origin_ } = this.#transform
    const edits: Edit[] = []
    if (origin_ !== undefined) edits.push({ ...origin, value: origin.encode(origin_), length: 1 })
    if (prepend && prepend.count > 0) edits.push(this.#prepended(set, prepend.asn, prepend.count))
    if (this.#transform.med === 'remove') edits.push({ ...med, value: NOTHING, length: -1 })
    else if (this.#transform.med !== undefined) edits.push(numberEdit(med, this.#transform.med))
    if (preference !== undefined) edits.push(numberEdit(localPref, preference))
    for (const change of this.#communities) edits.push(this.#changed(set, change))
    if (this.#hop) edits.push({ ...aigp, value: NOTHING, length: -1 }) // RFC 7311 §3.4.3: it counts from the old one
    edits.sort((a, b) => a.code - b.code)
    rewriter.run(sets.octets, sets.from(set), sets.to(set), edits)
    const nextHop = this.#hop ?? sets.nextHops.octets(sets.nextHop[set])
    return sets.intern(rewriter.octets, 0, rewriter.length, nextHop)
  }

  #prepended(set: number, asn: number, count: number): Edit {
    const { octets } = this.#sets
    walker.reset(octets, this.#sets.from(set), this.#sets.to(set))
    const [from, to] = walker.find(asPath.code) ? [walker.from, walker.to] : [0, 0]
    const value = new Uint8Array(to - from + count * 4 + Math.ceil(count / 255) * 2)
    return { ...asPath, value, length: prependAs(octets, from, to, asn, count, value) }
  }

  /** Communities of one kind. */
  #changed(set: number, { kind, clear, remove, add }: CommunityEdits): Edit {
    const { type, size } = communityKinds[kind]
    const { octets } = this.#sets
    walker.reset(octets, this.#sets.from(set), this.#sets.to(set))
    const [from, to] = !clear && walker.find(type.code) ? [walker.from, walker.to] : [0, 0]
    const value = new Uint8Array(to - from + add.length * size)
    let length = 0
    for (let at = from; at < to; at += size) {
      if (remove.some(pattern => fits(pattern, octets, at))) continue
      for (let i = 0; i < size; i++) value[length + i] = octets[at + i]
      length += size
    }
    for (const pattern of add) {
      if (includes(value, length, pattern)) continue
      value.set(pattern.value, length)
      length += size
    }
    return { code: type.code, flags: type.flags, value, length: length > 0 ? length : -1 }
  }
}

/** A transform that remembers what it made of which set. */
export class RememberedTransform {
  readonly #sets: AttributeSets
  readonly #transform: SetTransform
  readonly #memo: SetMemo

  constructor(sets: AttributeSets, transform: Transform, self: Uint8Array) {
    this.#sets = sets
    this.#transform = new SetTransform(sets, transform, self)
    this.#memo = new SetMemo(sets)
  }

  /** The transformed set, with a reference. */
  apply(set: number): SetId {
    const known = this.#memo.get(set)
    if (known > 0) return this.#sets.acquire(known)
    const result = this.#transform.apply(set)
    this.#memo.put(set, result)
    return result
  }
}

/** What becomes of the communities of one kind. */
interface CommunityEdits {
  /** Index in `communityKinds`. */
  readonly kind: number
  /** None of those that the route has stays. */
  readonly clear: boolean
  readonly remove: readonly CommunityPattern[]
  readonly add: readonly CommunityPattern[]
}

/** In ascending code; only kinds of which something changes. */
function communityEdits({ setCommunities, addCommunities = [], removeCommunities = [] }: Transform): CommunityEdits[] {
  const clear = setCommunities !== undefined
  const remove = removeCommunities.map(parseCommunityPattern).filter(pattern => pattern !== undefined)
  const wanted = (setCommunities ?? []).map(parseAnyCommunity).filter(pattern => pattern !== undefined)
  const stays = wanted.filter(one => !remove.some(other => other.kind === one.kind && fits(other, one.value, 0)))
  const added = addCommunities.map(parseAnyCommunity).filter(pattern => pattern !== undefined)
  const add = [...stays, ...added]
  const edits = communityKinds.map((_, kind) => {
    const same = (pattern: CommunityPattern) => pattern.kind === kind
    return { kind, clear, remove: remove.filter(same), add: add.filter(same) }
  })
  return edits.filter(edit => edit.clear || edit.remove.length > 0 || edit.add.length > 0)
}

function includes(octets: Uint8Array, length: number, pattern: CommunityPattern): boolean {
  for (let at = 0; at < length; at += pattern.value.length) if (fits(pattern, octets, at)) return true
  return false
}

const NOTHING = new Uint8Array(0)
const walker = new AttributeWalker()
const rewriter = new Rewriter()

function numberEdit(type: { readonly code: number; readonly flags: number }, number: number): Edit {
  const value = new Uint8Array(4)
  putUint32(value, 0, number)
  return { code: type.code, flags: type.flags, value, length: 4 }
}

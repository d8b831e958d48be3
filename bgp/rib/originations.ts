// Our own routes: a complete list each time, of which only the differences go on.

import { parseAddress } from '../../inet/index.ts'
import type { Origination } from '../types.ts'
import { communityKinds, parseAnyCommunity } from '../policy/communities.ts'
import { asPath, localPref, med, origin, putAttribute } from '../wire/attributes.ts'
import type { LocRib } from './loc-rib.ts'

export class Originations {
  readonly #rib: LocRib
  #prefixes = new Set<number>()

  constructor(rib: LocRib) {
    this.#rib = rib
  }

  /** Takes over the list; routes of another family and text that is no prefix are passed over. */
  replace(list: Iterable<Origination>): void {
    const { prefixes, sets, sessions } = this.#rib
    const before = this.#prefixes
    const now = new Set<number>()
    for (const route of list) {
      const nextHop = route.nextHop === undefined ? OWN : parseAddress(route.nextHop)?.octets
      if (!nextHop || !prefixes.readText(route.prefix)) continue
      const prefix = prefixes.obtain()
      const set = sets.intern(scratch, 0, putOrigination(route, scratch), nextHop)
      this.#rib.put(sessions.local, prefix, set, undefined, 0)
      sets.release(set)
      now.add(prefix)
      before.delete(prefix)
    }
    for (const prefix of before) this.#rib.withdraw(sessions.local, prefix, 0)
    this.#prefixes = now
  }
}

/** Stands for our own address on each session. */
const OWN = new Uint8Array(0)
const scratch = new Uint8Array(1 << 16)

/** Writes the attributes of a route of our own in canonical form; returns their length. */
function putOrigination(route: Origination, out: Uint8Array): number {
  let at = putAttribute(out, 0, origin, origin.encode(route.origin ?? 'igp'))
  at = putAttribute(out, at, asPath, asPath.encode([]))
  if (route.med !== undefined) at = putAttribute(out, at, med, med.encode(route.med))
  if (route.localPref !== undefined) at = putAttribute(out, at, localPref, localPref.encode(route.localPref))
  const wanted = route.communities?.map(parseAnyCommunity) ?? []
  for (const [i, { type }] of communityKinds.entries()) {
    const values = wanted.flatMap(one => (one?.kind === i ? [...one.value] : []))
    if (values.length > 0) at = putAttribute(out, at, type, Uint8Array.from(values))
  }
  return at
}

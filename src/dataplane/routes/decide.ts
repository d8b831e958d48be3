// What to do about one prefix: the reconciler's only judgement, as a pure function.
//
// Nothing is written before it is allowed, nothing foreign is replaced or deleted, and a change is one replace
// (design §4, promise 1). What the kernel answers, and when to ask again, is the route table's work.

import type { Route } from '../../../netlink/types.ts'
import type { FibClass } from '../../model/fib.ts'
import { hasKeyOf, type Mark, sameRoute, sameWay } from './route.ts'

export interface Situation {
  /** The winning class's entry in the kernel's form; undefined: the prefix shall have no route of ours. */
  readonly wanted: { readonly class: FibClass; readonly route: Route } | undefined
  /** Our route in the kernel, by the mirror. */
  readonly ours: Route | undefined
  /** Further routes under our mark, which somebody has put beside ours. */
  readonly twins: readonly Route[]
  /** IPv6: `ours` is a multipath route that others may have a part in: the kernel names the owner of the first next hop only. */
  readonly mixed: boolean
  /** Routes of others for the prefix in the same table, any metric. */
  readonly foreign: readonly Route[]
  /** The class may add. */
  readonly mayAdd: boolean
  /** Every class above the winner's has told all it wants, so what is in the kernel is not theirs. */
  readonly mayReplace: boolean
  /** Every class has told all, and the mirror is younger than the last link or address event. */
  readonly mayDelete: boolean
}

export type Step =
  | { readonly do: 'nothing' }
  | { readonly do: 'add' | 'replace'; readonly route: Route }
  | { readonly do: 'delete'; readonly route: Route }
  /** This very one of several under our mark goes, and then it is judged again. */
  | { readonly do: 'prune'; readonly route: Route }
  /** This next hop alone, the last of several, goes if it is ours: the kernel's answer tells, and then it is judged again. */
  | { readonly do: 'probe'; readonly route: Route }
  /** Somebody else's route has precedence; ours, if there is one, goes as soon as it may. */
  | { readonly do: 'yield'; readonly holder: Route; readonly remove?: Route }
  | { readonly do: 'hold' }

export function decide(s: Situation, mark: Mark): Step {
  const { wanted, ours } = s
  if (!wanted) return !ours ? { do: 'nothing' } : s.mayDelete ? { do: 'delete', route: ours } : { do: 'hold' }

  const holder = precedingForeign(wanted.class, s.foreign, mark)
  if (holder) return { do: 'yield', holder, ...(ours && s.mayDelete && { remove: ours }) }

  // A replace finds the first of several only, or that what it writes is there already.
  const stranger = s.twins.length > 0 && ours && [ours, ...s.twins].find(each => !sameWay(each, wanted.route))
  if (stranger) return s.mayDelete ? { do: 'prune', route: stranger } : { do: 'hold' }

  if (!ours) return s.mayAdd ? { do: 'add', route: wanted.route } : { do: 'hold' }
  if (sameRoute(ours, wanted.route)) return { do: 'nothing' }
  // A replace would take along what others have in it; the first next hop carries the traffic meanwhile.
  if (s.mixed)
    return s.mayDelete ? { do: 'probe', route: { ...ours, nextHops: ours.nextHops.slice(-1) } } : { do: 'hold' }
  return s.mayAdd && s.mayReplace ? { do: 'replace', route: wanted.route } : { do: 'hold' }
}

/**
 * The foreign route that keeps ours out. Nothing of ours may take the place of a route at the very same key; below
 * endpoints, a connected or foreign route for the prefix has precedence whatever its metric (design §2).
 */
function precedingForeign(owner: FibClass, foreign: readonly Route[], mark: Mark): Route | undefined {
  if (foreign.length === 0) return undefined
  return foreign.find(route => hasKeyOf(route, mark)) ?? (owner === 'endpoint' ? undefined : foreign.find(untagged))
}

/** A route for one type of service only leaves the rest of the prefix's traffic to us. */
function untagged(route: Route): boolean {
  return (route.tos ?? 0) === 0
}

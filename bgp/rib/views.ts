// Paths as people and tools read them: the columns turned into `PathView`s, each losing path with its reason.

import { formatAddress, octetsOf4 } from '../../inet/index.ts'
import type { PathView } from '../types.ts'
import {
  asPath,
  asPathText,
  AttributeWalker,
  clusterList,
  clusterTexts,
  communities,
  communityTexts,
  extendedCommunities,
  extendedCommunityTexts,
  largeCommunities,
  largeCommunityTexts,
  localPref,
  med,
  onlyToCustomer,
  origin,
  originatorId,
  origins,
  routerIdText,
  uint32,
} from '../wire/attributes.ts'
import type { Step } from './decision.ts'
import { ineligibleKinds, type LocRib } from './loc-rib.ts'
import { LEAVES_SOON } from '../tables/attribute-sets.ts'
import { CHOSEN, DEAD, INELIGIBLE, INELIGIBLE_SHIFT, REJECTED } from './paths.ts'
import type { Session } from './sessions.ts'

const walker = new AttributeWalker()

/** A view of attributes `octets[from, to)` with a next hop, not yet judged. */
export function attributesView(
  octets: Uint8Array,
  from: number,
  to: number,
  nextHop: string,
  about: Pick<PathView, 'prefix' | 'peer' | 'pathId'>,
): PathView {
  const view: PathView = {
    prefix: about.prefix,
    peer: about.peer,
    pathId: about.pathId,
    nextHop: nextHop !== '' ? nextHop : about.prefix.includes(':') ? '::' : '0.0.0.0',
    asPath: '',
    origin: 'incomplete',
    localPref: undefined,
    med: undefined,
    communities: [],
    largeCommunities: [],
    extendedCommunities: [],
    originatorId: undefined,
    clusterList: [],
    onlyToCustomer: undefined,
    best: false,
    multipath: false,
    stale: false,
    reason: undefined,
  }
  for (walker.reset(octets, from, to); walker.next();) {
    const [start, end] = [walker.from, walker.to]
    if (walker.code === origin.code) view.origin = origins[octets[start]]
    else if (walker.code === asPath.code) view.asPath = asPathText(octets, start, end)
    else if (walker.code === med.code) view.med = uint32(octets, start)
    else if (walker.code === localPref.code) view.localPref = uint32(octets, start)
    else if (walker.code === communities.code) view.communities = communityTexts(octets, start, end)
    else if (walker.code === largeCommunities.code) view.largeCommunities = largeCommunityTexts(octets, start, end)
    else if (walker.code === extendedCommunities.code) {
      view.extendedCommunities = extendedCommunityTexts(octets, start, end)
    } else if (walker.code === originatorId.code) view.originatorId = routerIdText(octets, start)
    else if (walker.code === clusterList.code) view.clusterList = clusterTexts(octets, start, end)
    else if (walker.code === onlyToCustomer.code) view.onlyToCustomer = uint32(octets, start)
  }
  return view
}

export class Views {
  readonly #rib: LocRib

  constructor(rib: LocRib) {
    this.#rib = rib
  }

  /** A path as chosen or received (`set` says which of its sets). */
  path(path: number, set: number): PathView {
    const { prefixes, paths, sets, sessions, nextHops } = this.#rib
    const prefix = paths.prefix[path]
    const { name, pathIds } = sessions.at(paths.slot[path])
    const about = { prefix: prefixes.text(prefix), peer: name, pathId: pathIds ? paths.pathId[path] : undefined }
    const view = attributesView(sets.octets, sets.from(set), sets.to(set), nextHops.text(sets.nextHop[set]), about)
    view.best = prefixes.best[prefix] === path
    view.multipath = !view.best && (paths.flags[path] & CHOSEN) !== 0
    view.stale = this.#rib.isStale(path) && this.#staleness(path)
    return view
  }

  /** Every living path of a prefix, best first, each with its reason; as the decision process sees them now. */
  paths(prefix: number): PathView[] {
    const { prefixes, paths, decision } = this.#rib
    const rejected: PathView[] = []
    decision.count = 0
    decision.current = prefixes.best[prefix]
    for (let path = prefixes.firstPath[prefix]; path !== 0; path = paths.next[path]) {
      if (paths.flags[path] & DEAD) continue
      if (this.#rib.usable(path)) {
        decision.add(path)
        continue
      }
      const view = this.path(path, paths.accepted[path] || paths.received[path])
      view.reason = this.refusal(path)
      rejected.push(view)
    }
    const lost = new Map<number, Step>()
    const equal = decision.choose((path, step) => lost.set(path, step))
    const field = Array.from(decision.field.subarray(0, decision.count))
    const chosen = field.map((path, i) => {
      const view = this.path(path, paths.accepted[path])
      view.best = i === 0
      view.multipath = i > 0 && i < equal
      const step = lost.get(path)
      if (step && i > 0) view.reason = this.#comparison(step, path, field)
      return view
    })
    return [...chosen, ...rejected]
  }

  /** Why a path may not be used, in words; undefined if it may. */
  refusal(path: number): string | undefined {
    const { paths, sessions, nextHops, sets } = this.#rib
    const flags = paths.flags[path]
    const session = sessions.at(paths.slot[path])
    if (session.down) return `the session with ${session.name} is down`
    if (flags & INELIGIBLE) return refusals[ineligibleKinds[((flags & INELIGIBLE) >> INELIGIBLE_SHIFT) - 1]]
    if (flags & REJECTED) {
      const said = session.import?.explain(paths.prefix[path], paths.received[path], session)
      if (said && !said.accepted) return said.text
      return 'rejected by an import policy that is being run again'
    }
    const nextHop = sets.nextHop[paths.accepted[path]]
    return nextHops.reachable(nextHop) ? undefined : `next hop ${nextHops.text(nextHop)} is unreachable`
  }

  /** What a path lost by, against the paths that went on. `field` is as the decision left it. */
  #comparison(step: Step, path: number, field: readonly number[]): string {
    const { decision, paths, sessions } = this.#rib
    const mine = decision.rank(step, path)
    const best = field[0]
    const theirs = decision.rank(step, best)
    const bestName = sessions.at(paths.slot[best]).name
    switch (step) {
      case 'longStale':
        return 'its sender went long ago (LLGR_STALE, RFC 9494), and any other path is preferred'
      case 'local':
        return 'our own route is preferred'
      case 'localPref':
        return `LOCAL_PREF ${-mine} is lower than ${-theirs}${this.#leaves(path) ? ': GRACEFUL_SHUTDOWN' : ''}`
      case 'asPathLength':
        return `AS path of length ${mine} is longer than ${theirs}`
      case 'origin':
        return `origin ${origins[mine]} is worse than ${origins[theirs]}`
      case 'med':
        return this.#comparedMed(path, field)
      case 'kind':
        return `learned ${inside(sessions.at(paths.slot[path]).kind)}; a path learned by eBGP is preferred`
      case 'metric':
        return `IGP metric ${mine} to the next hop is higher than ${theirs}`
      case 'oldest':
        return `${bestName} sent the best path before, and this one is not better (RFC 5004)`
      case 'routerId':
        return `router id ${idText(mine)} is higher than ${idText(theirs)} of ${bestName}`
      case 'clusterList':
        return `cluster list of length ${mine} is longer than ${theirs}`
      case 'pathId':
        return `path identifier ${mine} is higher than ${theirs}`
      case 'address':
        break
    }
    return `peer address ${formatAddress(sessions.at(paths.slot[path]).address)} is higher than that of ${bestName}`
  }

  #comparedMed(path: number, field: readonly number[]): string {
    const { decision, sets, paths } = this.#rib
    const med = (other: number) => decision.rank('med', other)
    const always = decision.options.alwaysCompareMed ?? false
    const neighbour = sets.neighbourAs[paths.accepted[path]]
    const rivals = always ? field : field.filter(other => sets.neighbourAs[paths.accepted[other]] === neighbour)
    const lowest = Math.min(...rivals.map(med))
    const mine = med(path) === Infinity ? 'no MED, which counts as highest, is' : `MED ${med(path)} is`
    return `${mine} higher than ${lowest}${always ? '' : ' from the same AS'}`
  }

  #staleness(path: number): 'refresh' | 'restart' | 'long-lived' {
    const session = this.#rib.sessions.at(this.#rib.paths.slot[path])
    return session.longLived ? 'long-lived' : session.staleBy
  }

  /** Whether the peer says that the route goes soon, and it is therefore the last choice (RFC 8326). */
  #leaves(path: number): boolean {
    const { sets, paths, sessions } = this.#rib
    return (sets.flags[paths.accepted[path]] & LEAVES_SOON) !== 0 && sessions.at(paths.slot[path]).kind === 'ebgp'
  }
}

const refusals = {
  'as-loop': 'our own AS is in the AS path',
  'originator-loop': 'ORIGINATOR_ID is our own router id',
  'cluster-loop': 'our own cluster id is in the cluster list',
  'route-leak': 'a route leak: ONLY_TO_CUSTOMER says that it must not come from there (RFC 9234 §5)',
} as const

function inside(kind: Session['kind']): string {
  return kind === 'confed-ebgp' ? 'inside the confederation' : 'by iBGP'
}

function idText(id: number): string {
  return formatAddress(octetsOf4(id))
}

// Where a path comes and goes, and what the Loc-RIB says of its prefix.
//
// Whatever changes a path marks its prefix; `decide` takes marked prefixes, runs the decision process, and tells the
// readers and update groups of those whose chosen paths changed. This file holds the tables together; it knows no
// budget and no peer's life cycle.

import { PrefixTable, UNUSED } from '../tables/prefix-table.ts'
import { AttributeSets } from '../tables/attribute-sets.ts'
import { Decision } from './decision.ts'
import { DirtyQueue } from '../tables/dirty-queue.ts'
import { NextHops } from '../tables/next-hops.ts'
import { CHANGED, CHOSEN, DEAD, INELIGIBLE, INELIGIBLE_SHIFT, Paths, REJECTED } from './paths.ts'
import type { Ineligible } from './port.ts'
import { type Session, Sessions } from './sessions.ts'

/**
 * Paths that one session may have for one prefix: with more, every change of one of them would be a long turn. A reflector in
 * front of a thousand nodes that share an address needs a thousand.
 */
export const MOST_PATHS = 4096

/** Paths of a prefix that are looked at for the price of one prefix. */
const PATHS_PER_UNIT = 16

export const ineligibleKinds: readonly Ineligible[] = ['as-loop', 'originator-loop', 'cluster-loop', 'route-leak']

/** Who follows the Loc-RIB. */
export interface Follower {
  /** The chosen paths of the prefix changed. */
  mark(prefix: number): void
  /** Whether nothing here refers to the prefix, which has no path, any more. */
  passed(prefix: number): boolean
  /** The id is about to be freed. */
  forget(prefix: number): void
}

/** Who follows every path, and refers to paths by their index. */
export interface PathFollower extends Follower {
  /** Whether nothing here refers to the path, which is dead, any more. */
  passedPath(path: number): boolean
  /** The index of the path is about to be freed. */
  forgetPath(path: number): void
}

export class LocRib {
  readonly prefixes: PrefixTable
  readonly nextHops: NextHops
  readonly sets: AttributeSets
  readonly paths: Paths
  readonly sessions = new Sessions()
  readonly decision: Decision
  /** Is told what import policy makes of a path: the set, or 0 where one that was accepted is no longer. */
  judged: ((session: Session, path: number, set: number) => void) | undefined
  /** Prefixes that wait for a decision. */
  readonly undecided: DirtyQueue
  /** A list: it is walked for every prefix. */
  #followers: readonly Follower[] = []
  readonly #pathFollowers = new Set<PathFollower>()
  /** Prefixes with dead paths that a follower refers to. */
  readonly #lingering: DirtyQueue
  /** Prefixes without a path, in the order in which they lost the last one. */
  readonly #unused: DirtyQueue

  constructor(bits: 32 | 128, seed: number, reserve: number) {
    this.prefixes = new PrefixTable(bits, seed, reserve)
    this.nextHops = new NextHops(bits === 32 ? 4 : 16)
    this.sets = new AttributeSets(this.nextHops, seed, reserve)
    this.paths = new Paths(seed, reserve * 2)
    this.decision = new Decision(this.sets, this.paths, this.sessions)
    this.undecided = new DirtyQueue(reserve)
    this.#unused = new DirtyQueue(reserve)
    this.#lingering = new DirtyQueue(reserve)
  }

  follow(follower: Follower): void {
    this.#followers = [...this.#followers, follower]
  }

  unfollow(follower: Follower): void {
    this.#followers = this.#followers.filter(other => other !== follower)
  }

  /** Marks every prefix on which a decision is made, whatever came of it. */
  followPaths(follower: PathFollower): void {
    this.#pathFollowers.add(follower)
  }

  unfollowPaths(follower: PathFollower): void {
    this.#pathFollowers.delete(follower)
  }

  /** Whether a session at its ceiling may have a path for the prefix: it has that one, or an entry where it was. */
  hasRoom(session: Session, prefix: number, pathId: number): boolean {
    const path = prefix === 0 ? 0 : this.paths.find(this.prefixes.firstPath[prefix], prefix, session.slot, pathId)
    if (path === 0) return false
    return session.paths < session.ceiling.paths || !(this.paths.flags[path] & DEAD)
  }

  /**
   * Sees to it that the session may have a path by that identifier: not if it has as many for the prefix as any may have. A
   * withdrawn one that a slow reader has not heard of does not count: its entry is used again, as a path that changes.
   */
  makeRoom({ slot }: Session, prefix: number, pathId: number): boolean {
    const { paths } = this
    if (paths.countOf(prefix, slot) < MOST_PATHS) return true
    const first = this.prefixes.firstPath[prefix]
    if (paths.find(first, prefix, slot, pathId) !== 0) return true
    let path = first
    while (path !== 0 && (paths.slot[path] !== slot || !(paths.flags[path] & DEAD))) path = paths.next[path]
    if (path !== 0) paths.rename(path, pathId)
    return path !== 0
  }

  /**
   * The path of the session for the prefix, by that identifier (0 without ADD-PATH), is now `set`. The caller keeps its
   * own reference.
   */
  put(session: Session, prefix: number, set: number, ineligible: Ineligible | undefined, pathId: number): void {
    const { paths, prefixes } = this
    const check = ineligible === undefined ? 0 : (ineligibleKinds.indexOf(ineligible) + 1) << INELIGIBLE_SHIFT
    const first = prefixes.firstPath[prefix]
    let path = first === 0 ? 0 : paths.find(first, prefix, session.slot, pathId)
    let wasAccepted = false
    if (path === 0) {
      path = paths.add(first, prefix, session.slot, pathId)
      prefixes.firstPath[prefix] = path
      session.rows++
    } else if (paths.flags[path] & DEAD) {
      paths.flags[path] &= ~DEAD
    } else {
      const wasStale = this.isStale(path)
      if (wasStale) session.stale--
      paths.age[path] = session.age
      const isMarked = wasStale && session.longLived // with LLGR_STALE, which has to go
      if (paths.received[path] === set && (paths.flags[path] & INELIGIBLE) === check && !isMarked) return
      wasAccepted = paths.accepted[path] !== 0
      this.#clear(session, path)
    }
    paths.age[path] = session.age
    paths.received[path] = this.sets.acquire(set)
    paths.flags[path] = (paths.flags[path] & ~INELIGIBLE) | check
    session.paths++
    this.#judge(session, path)
    if (this.judged && (wasAccepted || paths.accepted[path] !== 0)) this.judged(session, path, paths.accepted[path])
    this.undecided.mark(prefix)
  }

  /** The session has no such path for the prefix any more. */
  withdraw(session: Session, prefix: number, pathId: number): void {
    const path = this.paths.find(this.prefixes.firstPath[prefix], prefix, session.slot, pathId)
    if (path !== 0) this.bury(session, path)
  }

  /** The path is withdrawn; the next decision unlinks it. */
  bury(session: Session, path: number): void {
    const { paths } = this
    if (paths.flags[path] & DEAD) return
    if (this.judged && paths.accepted[path] !== 0) this.judged(session, path, 0)
    this.#clear(session, path)
    paths.flags[path] = (paths.flags[path] & CHOSEN) | DEAD
    this.undecided.mark(paths.prefix[path])
  }

  /** Asks import policy again. */
  judgeAgain(session: Session, path: number): void {
    const { paths, sets } = this
    if (paths.flags[path] & DEAD) return
    const before = paths.accepted[path]
    if (before !== 0) session.accepted--
    const after = this.#ask(session, path)
    if (before !== 0) sets.release(before)
    if (before === after) return
    if (this.judged) this.judged(session, path, after)
    paths.flags[path] |= CHANGED
    this.undecided.mark(paths.prefix[path])
  }

  usable(path: number): boolean {
    const { flags, accepted, slot } = this.paths
    if (flags[path] & (DEAD | REJECTED | INELIGIBLE) || this.sessions.at(slot[path]).down) return false
    return this.nextHops.reachable(this.sets.nextHop[accepted[path]])
  }

  /** Kept over a restart of the peer, which has not announced it again yet (RFC 4724 §4.2). */
  isStale(path: number): boolean {
    return this.paths.age[path] !== this.sessions.at(this.paths.slot[path]).age
  }

  /** Decides on marked prefixes until `units` are spent; returns the units used, one a prefix and more for one with many paths. */
  decide(units: number): number {
    let used = 0
    while (used < units) {
      const prefix = this.undecided.take()
      if (prefix === 0) break
      const changed = this.#decide(prefix)
      used += 1 + Math.floor(this.decision.count / PATHS_PER_UNIT)
      if (changed) for (const follower of this.#followers) follower.mark(prefix)
      if (this.#pathFollowers.size > 0) for (const follower of this.#pathFollowers) follower.mark(prefix)
      if (this.prefixes.firstPath[prefix] === 0) this.#retire(prefix)
    }
    return used
  }

  /**
   * Frees the ids that nobody refers to any more, looking at no more than `units`; stops at the first one in use. True
   * if it could go on.
   */
  free(units: number): boolean {
    const { prefixes } = this
    const more = this.#freePaths(units)
    for (let left = Math.min(units, this.#unused.put - this.#unused.taken); left > 0; left--) {
      const prefix = this.#unused.take()
      if (prefixes.firstPath[prefix] !== 0) {
        prefixes.flags[prefix] &= ~UNUSED
        continue
      }
      if (this.undecided.has(prefix) || !this.#passed(prefix)) {
        this.#unused.mark(prefix)
        return more
      }
      for (const follower of this.#followers) follower.forget(prefix)
      prefixes.release(prefix)
    }
    return more || !this.#unused.empty
  }

  /** The same for dead paths that had to stay in their chains. */
  #freePaths(units: number): boolean {
    for (let left = Math.min(units, this.#lingering.put - this.#lingering.taken); left > 0; left--) {
      const prefix = this.#lingering.take()
      if (this.undecided.has(prefix)) continue // the decision unlinks them, or marks the prefix again
      if (!this.#unlinkDead(prefix)) {
        this.#lingering.mark(prefix)
        return false
      }
      if (this.prefixes.firstPath[prefix] === 0) this.#retire(prefix)
    }
    return !this.#lingering.empty
  }

  /** False if some have to stay. */
  #unlinkDead(prefix: number): boolean {
    const { paths } = this
    let before = 0
    let all = true
    for (let path = this.prefixes.firstPath[prefix]; path !== 0;) {
      const next = paths.next[path]
      if (!(paths.flags[path] & DEAD)) before = path
      else if (this.#isHeld(path)) {
        before = path
        all = false
      } else this.#unlink(path, before)
      path = next
    }
    return all
  }

  /** Takes a dead path out of its chain, in which it follows `before`, and frees it. */
  #unlink(path: number, before: number): void {
    const { paths, prefixes } = this
    const next = paths.next[path]
    if (before === 0) prefixes.firstPath[paths.prefix[path]] = next
    else paths.next[before] = next
    this.sessions.at(paths.slot[path]).rows--
    paths.remove(path)
    if (this.#pathFollowers.size > 0) for (const follower of this.#pathFollowers) follower.forgetPath(path)
  }

  #isHeld(path: number): boolean {
    if (this.#pathFollowers.size === 0) return false
    for (const follower of this.#pathFollowers) if (!follower.passedPath(path)) return true
    return false
  }

  /**
   * The attribute set of the best path; 0 if there is none. -1 if the path that was best is gone and the next decision,
   * which will tell, has not been made yet.
   */
  bestSet(prefix: number): number {
    const best = this.prefixes.best[prefix]
    return best === 0 ? 0 : this.paths.accepted[best] || -1
  }

  /** The chosen paths of a prefix: the best first. */
  *chosen(prefix: number): Generator<number> {
    const best = this.prefixes.best[prefix]
    if (best === 0) return
    yield best
    for (let path = this.prefixes.firstPath[prefix]; path !== 0; path = this.paths.next[path]) {
      if (path !== best && this.paths.flags[path] & CHOSEN && this.paths.accepted[path] !== 0) yield path
    }
  }

  /** Whether the best path of a prefix has no equals. */
  isAlone(prefix: number): boolean {
    const { paths, prefixes } = this
    const best = prefixes.best[prefix]
    for (let path = prefixes.firstPath[prefix]; path !== 0; path = paths.next[path]) {
      if (path !== best && paths.flags[path] & CHOSEN && paths.accepted[path] !== 0) return false
    }
    return true
  }

  #passed(prefix: number): boolean {
    for (const follower of this.#followers) if (!follower.passed(prefix)) return false
    for (const follower of this.#pathFollowers) if (!follower.passed(prefix)) return false
    return true
  }

  #retire(prefix: number): void {
    this.paths.chainEmpty(prefix)
    if (this.prefixes.flags[prefix] & UNUSED) return
    this.prefixes.flags[prefix] |= UNUSED
    this.#unused.mark(prefix)
  }

  /** Gives the sets of a path back and takes it out of the counts. */
  #clear(session: Session, path: number): void {
    const { paths, sets } = this
    sets.release(paths.received[path])
    paths.received[path] = 0
    session.paths--
    if (paths.age[path] !== session.age) session.stale--
    if (paths.accepted[path] === 0) return
    sets.release(paths.accepted[path])
    paths.accepted[path] = 0
    session.accepted--
  }

  #judge(session: Session, path: number): void {
    this.#ask(session, path)
    this.paths.flags[path] |= CHANGED
  }

  /** Applies import policy to a path whose `accepted` reference is settled; returns the set it makes, 0 = rejected. */
  #ask(session: Session, path: number): number {
    const { paths, sets } = this
    const set = paths.received[path]
    let accepted = 0
    if (!(paths.flags[path] & INELIGIBLE)) {
      const longStale = session.longLived && this.isStale(path)
      accepted = session.import ? session.import.apply(paths.prefix[path], set, session, longStale) : sets.acquire(set)
    }
    paths.accepted[path] = accepted
    if (accepted === 0) paths.flags[path] |= REJECTED
    else {
      paths.flags[path] &= ~REJECTED
      session.accepted++
    }
    return accepted
  }

  /** Chooses the paths of a prefix; true if what was chosen differs from before. */
  #decide(prefix: number): boolean {
    const { paths, prefixes, decision } = this
    const { flags } = paths
    let changed = false
    decision.count = 0
    decision.current = prefixes.best[prefix]
    let before = 0
    let lingers = false
    for (let path = prefixes.firstPath[prefix]; path !== 0;) {
      const next = paths.next[path]
      const session = this.sessions.at(paths.slot[path])
      if (session.down && !(flags[path] & DEAD)) this.#drop(session, path)
      if (flags[path] & DEAD) {
        if (flags[path] & CHOSEN) changed = true
        if (this.#isHeld(path)) {
          flags[path] = DEAD
          lingers = true
          before = path
        } else this.#unlink(path, before)
      } else {
        if (this.usable(path)) decision.add(path)
        else if (flags[path] & CHOSEN) {
          flags[path] &= ~CHOSEN
          changed = true
        }
        before = path
      }
      path = next
    }
    if (lingers) this.#lingering.mark(prefix)
    const equal = decision.count > 1 ? decision.choose() : decision.count
    const best = equal === 0 ? 0 : decision.field[0]
    for (let i = 0; i < decision.count; i++) {
      const path = decision.field[i]
      const chosen = i < equal ? CHOSEN : 0
      if ((flags[path] & CHOSEN) !== chosen || (chosen !== 0 && flags[path] & CHANGED)) changed = true
      flags[path] = (flags[path] & ~(CHOSEN | CHANGED)) | chosen
    }
    if (prefixes.best[prefix] !== best) {
      prefixes.best[prefix] = best
      changed = true
    }
    return changed
  }

  #drop(session: Session, path: number): void {
    this.#clear(session, path)
    this.paths.flags[path] = (this.paths.flags[path] & CHOSEN) | DEAD
  }
}

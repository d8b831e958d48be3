// A group whose peers take several paths of a prefix (ADD-PATH, RFC 7911): a row is a path, 8 octets each.
//
// A row has the index of its path in the Adj-RIB-In, and that index is the path identifier on the wire: it is unique, and
// stays for as long as the path does, through every change of its attributes. A path that is withdrawn keeps its index until
// all members have heard of it. So a path that changed is announced again under its identifier, which replaces it, and one
// that did not change is not sent, whatever becomes of the others.

import type { LocRib, PathFollower } from '../rib/loc-rib.ts'
import type { Explanation } from '../policy/compile.ts'
import { CHOSEN, type Paths } from '../rib/paths.ts'
import type { Halves } from '../tables/columns.ts'
import type { PrefixTable } from '../tables/prefix-table.ts'
import type { PathSelection } from '../types.ts'
import { putUint32 } from '../wire/attributes.ts'
import { PATH_ID } from '../wire/nlri.ts'
import type { NlriSource } from '../wire/update-writer.ts'
import { Group, type GroupParts } from './group.ts'

/** Paths of a prefix that are looked at for the price of one prefix. */
const PATHS_PER_UNIT = 16

export class PathGroup extends Group implements PathFollower {
  readonly #selection: PathSelection
  /** For `best`: the sets of the paths that may go out, with their references. */
  readonly #candidates = new Map<number, number>()

  constructor(parts: GroupParts, selection: PathSelection) {
    super({ ...parts, reserve: parts.reserve * 2 }, parts.rib.paths.capacity)
    this.#selection = selection
    parts.rib.followPaths(this)
  }

  override get source(): Halves {
    return this.rib.paths.slot
  }

  override get end(): number {
    return this.rib.paths.end
  }

  override *rowsOf(prefix: number): Generator<number> {
    const { paths, prefixes } = this.rib
    for (let path = prefixes.firstPath[prefix]; path !== 0; path = paths.next[path]) yield path
  }

  override *pathsOf(prefix: number): Generator<number> {
    for (const path of this.rowsOf(prefix)) if (this.rib.usable(path)) yield path
  }

  override explain(prefix: number, path: number): Explanation {
    const said = super.explain(prefix, path)
    const isSent = path < this.set.length && this.set[path] !== 0
    if (!said.accepted || isSent || this.queue.has(prefix) || this.rib.undecided.has(prefix)) return said
    const why =
      typeof this.#selection === 'object'
        ? `${this.#selection.best} ${this.#selection.best === 1 ? 'other is' : 'others are'} better`
        : 'it does not share the load with the best path'
    return { accepted: false, text: `not sent: ${why}` }
  }

  override pathId(row: number): number {
    return row
  }

  override passed(prefix: number): boolean {
    return !this.queue.has(prefix)
  }

  override forget(): void {}

  passedPath(path: number): boolean {
    return this.hasPassed(path)
  }

  forgetPath(path: number): void {
    this.forgetRow(path)
  }

  protected override evaluate(prefix: number, flush: number, listening: boolean): number {
    const { paths, prefixes, undecided } = this.rib
    if (undecided.has(prefix)) return 1 // the decision marks it again
    if (typeof this.#selection === 'object') this.#rank(prefix, this.#selection.best)
    let looked = 0
    for (let path = prefixes.firstPath[prefix]; path !== 0; path = paths.next[path]) {
      const source = paths.slot[path]
      this.write(path, this.admit(prefix, path, this.#selected(prefix, path), source), source, flush, listening)
      looked++
    }
    return 1 + Math.floor(looked / PATHS_PER_UNIT)
  }

  protected override get capacity(): number {
    return this.rib.paths.capacity
  }

  protected override unfollow(): void {
    this.rib.unfollowPaths(this)
  }

  /** The set to announce for a path, with a reference; 0 = it does not go out. */
  #selected(prefix: number, path: number): number {
    if (typeof this.#selection === 'object') return this.#candidates.get(path) ?? 0
    if (this.#selection === 'ecmp' && !(this.rib.paths.flags[path] & CHOSEN)) return 0
    return this.#exported(prefix, path)
  }

  /** What BGP's rules and export policy make of a path, with a reference; 0 = not for this group. */
  #exported(prefix: number, path: number): number {
    const { paths, sessions } = this.rib
    if (!this.rib.usable(path)) return 0
    return this.rules.apply(prefix, paths.accepted[path], sessions.at(paths.slot[path]))
  }

  /** Leaves the `count` best of the paths that may go out among the candidates. */
  #rank(prefix: number, count: number): void {
    const { paths, prefixes, decision, sets } = this.rib
    const candidates = this.#candidates
    candidates.clear()
    decision.count = 0
    decision.current = prefixes.best[prefix]
    for (let path = prefixes.firstPath[prefix]; path !== 0; path = paths.next[path]) {
      const set = this.#exported(prefix, path)
      if (set === 0) continue
      candidates.set(path, set)
      decision.add(path)
    }
    if (decision.count <= count) return
    for (let taken = 0; taken < count; taken++) {
      decision.choose()
      decision.field[0] = decision.field[--decision.count]
    }
    for (let i = 0; i < decision.count; i++) {
      sets.release(candidates.get(decision.field[i]) ?? 0)
      candidates.delete(decision.field[i])
    }
  }
}

/** Paths as NLRI (RFC 7911 §3). */
export class PathNlri implements NlriSource {
  readonly longestNlri: number
  readonly #prefixes: PrefixTable
  readonly #paths: Paths

  constructor({ prefixes, paths }: Pick<LocRib, 'prefixes' | 'paths'>) {
    this.longestNlri = PATH_ID + prefixes.longestNlri
    this.#prefixes = prefixes
    this.#paths = paths
  }

  nlriLength(path: number): number {
    return PATH_ID + this.#prefixes.nlriLength(this.#paths.prefix[path])
  }

  putNlri(path: number, out: Uint8Array, at: number): number {
    return this.#prefixes.putNlri(this.#paths.prefix[path], out, putUint32(out, at, path))
  }
}

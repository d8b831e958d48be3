// Scans: what concerns many paths at once is found by reading a column from end to end, a slice at a time.
//
// A session that went down, stale paths that were not announced again, a changed import policy, next hops that came or
// went: each is a scan over all paths. New scans wait for the ones under way; every scan ends when it has seen each path
// once.

import { NEVER_LONG_STALE } from '../tables/attribute-sets.ts'
import { DEAD, NO_SLOT } from './paths.ts'
import type { LocRib } from './loc-rib.ts'
import { isEarlier, type Session } from './sessions.ts'

/** Entries of a column read for the price of one prefix. */
export const ROWS_PER_UNIT = 16

type Scan = { at: number; end: number } & (
  | { readonly kind: 'sweep' | 'import'; readonly session: Session }
  | { readonly kind: 'stale'; readonly session: Session; readonly before: number }
  | { readonly kind: 'next-hops'; again: boolean }
  | { readonly kind: 'decide' }
)

export class Scans {
  readonly #rib: LocRib
  readonly #scans: Scan[] = []

  constructor(rib: LocRib) {
    this.#rib = rib
  }

  get pending(): boolean {
    return this.#scans.length > 0
  }

  /** Withdraws every path of a session that is down. */
  sweep(session: Session): void {
    this.#drop(scan => (scan.kind === 'import' || scan.kind === 'stale') && scan.session === session)
    this.#scans.push({ kind: 'sweep', session, at: 1, end: this.#rib.paths.end })
  }

  /** Withdraws the paths of a session that are of an earlier age than the session is now. */
  sweepStale(session: Session): void {
    this.#drop(scan => scan.kind === 'stale' && scan.session === session)
    this.#scans.push({ kind: 'stale', session, before: session.age, at: 1, end: this.#rib.paths.end })
  }

  /** Asks the session's import policy again for each of its paths. */
  reimport(session: Session): void {
    this.#drop(scan => scan.kind === 'import' && scan.session === session)
    this.#scans.push({ kind: 'import', session, at: 1, end: this.#rib.paths.end })
  }

  /** Decides anew on every prefix that has a path with a touched next hop. */
  recheckNextHops(): void {
    for (const scan of this.#scans) {
      if (scan.kind !== 'next-hops') continue
      scan.again = true
      return
    }
    this.#scans.push({ kind: 'next-hops', again: false, at: 1, end: this.#rib.paths.end })
  }

  /** Decides anew on every prefix that has a path. */
  redecide(): void {
    this.#drop(scan => scan.kind === 'decide')
    this.#scans.push({ kind: 'decide', at: 1, end: this.#rib.paths.end })
  }

  /** Goes on with the oldest scan; returns the units used. */
  work(units: number): number {
    let used = 0
    while (used < units && this.#scans.length > 0) {
      const scan = this.#scans[0]
      used += this.#run(scan, units - used)
      if (scan.at < scan.end && !done(scan)) continue
      if (scan.kind === 'sweep') scan.session.swept = true
      this.#scans.shift()
      if (scan.kind !== 'next-hops') continue
      if (scan.again) this.#scans.push({ kind: 'next-hops', again: false, at: 1, end: this.#rib.paths.end })
      else this.#rib.nextHops.clearTouched()
    }
    return used
  }

  #run(scan: Scan, units: number): number {
    const { paths, nextHops, sets, undecided } = this.#rib
    let hits = 0
    const from = scan.at
    while (scan.at < scan.end && hits + (scan.at - from) / ROWS_PER_UNIT < units && !done(scan)) {
      const path = scan.at++
      if (scan.kind === 'decide') {
        if (paths.slot[path] === NO_SLOT) continue
        undecided.mark(paths.prefix[path])
      } else if (scan.kind === 'next-hops') {
        if (paths.slot[path] === NO_SLOT || paths.flags[path] & DEAD || paths.accepted[path] === 0) continue
        if (!nextHops.touched(sets.nextHop[paths.accepted[path]])) continue
        undecided.mark(paths.prefix[path])
      } else {
        if (paths.slot[path] !== scan.session.slot || paths.flags[path] & DEAD) continue
        if (scan.kind === 'stale' && !isEarlier(paths.age[path], scan.before)) continue
        if (scan.kind !== 'import' || this.#neverLong(scan.session, path)) this.#rib.bury(scan.session, path)
        else this.#rib.judgeAgain(scan.session, path)
      }
      hits++
    }
    return Math.max(1, hits + Math.floor((scan.at - from) / ROWS_PER_UNIT))
  }

  /** RFC 9494 §4.2: stale, and its sender does not want it kept for long. */
  #neverLong(session: Session, path: number): boolean {
    const { paths, sets } = this.#rib
    if (!session.longLived || !this.#rib.isStale(path)) return false
    return (sets.flags[paths.received[path]] & NEVER_LONG_STALE) !== 0
  }

  #drop(obsolete: (scan: Scan) => boolean): void {
    const kept = this.#scans.filter(scan => !obsolete(scan))
    this.#scans.splice(0, this.#scans.length, ...kept)
  }
}

function done(scan: Scan): boolean {
  if (scan.kind === 'stale') return scan.session.stale === 0
  return scan.kind === 'sweep' && scan.session.paths === 0
}

// A group whose peers are told of the best path of each prefix: a row is a prefix.

import { column, type Halves, resized } from '../tables/columns.ts'
import { Group, type GroupParts } from './group.ts'

export class BestGroup extends Group {
  source: Halves

  constructor(parts: GroupParts) {
    const { capacity } = parts.rib.prefixes
    super(parts, capacity)
    this.source = column(Uint16Array, capacity, parts.reserve)
    parts.rib.follow(this)
  }

  override get end(): number {
    return this.rib.prefixes.end
  }

  override rowsOf(prefix: number): Iterable<number> {
    return [prefix]
  }

  override pathsOf(prefix: number): Iterable<number> {
    return this.rib.bestSet(prefix) > 0 ? [this.rib.prefixes.best[prefix]] : []
  }

  override pathId(): undefined {}

  override passed(prefix: number): boolean {
    return !this.queue.has(prefix) && this.hasPassed(prefix)
  }

  override forget(prefix: number): void {
    this.forgetRow(prefix)
  }

  protected override evaluate(prefix: number, flush: number, listening: boolean): number {
    const { paths, prefixes, sessions } = this.rib
    const best = this.rib.bestSet(prefix)
    if (best < 0) return 1
    const source = best === 0 ? 0 : paths.slot[prefixes.best[prefix]]
    const set = best === 0 ? 0 : this.rules.apply(prefix, best, sessions.at(source))
    this.write(prefix, this.admit(prefix, prefix, set, source), source, flush, listening)
    return 1
  }

  protected override get capacity(): number {
    return this.rib.prefixes.capacity
  }

  protected override grow(rows: number): void {
    super.grow(rows)
    this.source = resized(this.source, rows)
  }

  protected override unfollow(): void {
    this.rib.unfollow(this)
  }
}

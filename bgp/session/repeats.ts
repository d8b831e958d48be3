// What a peer does wrong over and over: told in full a few times, then once in a while, with how often it was.
//
// So a flood of malformed messages, or a session that dies again and again, does not become a flood of reports. Kinds that
// differ only in numbers count as one; what is remembered is bounded, whatever the peer says.

/** So often a kind is told in full. */
const IN_FULL = 3
/** Milliseconds between two reports of a kind from then on. */
const PAUSE = 10 * 60_000
/** Milliseconds without it after which a kind is new again. */
const FORGOTTEN = 60 * 60_000
/** Kinds that are told apart; all beyond count as one. */
const KINDS = 64

interface Kind {
  told: number
  /** How many were kept quiet since one was last told. */
  quiet: number
  toldAt: number
  seenAt: number
}

export class Repeats {
  readonly #kinds = new Map<string, Kind>()

  /** What to add to the report of one more of that kind, often nothing; undefined: it is not to be reported. */
  next(text: string, now: number): string | undefined {
    const kind = this.#kind(text.replace(/\d+/g, '#'), now)
    kind.seenAt = now
    if (kind.told < IN_FULL) kind.told++
    else if (now - kind.toldAt < PAUSE) {
      kind.quiet++
      return undefined
    }
    kind.toldAt = now
    const { quiet } = kind
    kind.quiet = 0
    return quiet > 0 ? ` (and ${quiet} more of the kind since the last report)` : ''
  }

  #kind(name: string, now: number): Kind {
    const known = this.#kinds.get(name)
    if (known && now - known.seenAt < FORGOTTEN) return known
    if (!known && this.#kinds.size >= KINDS) this.#clean(now)
    const key = known || this.#kinds.size < KINDS ? name : 'others'
    const kind = key === name ? undefined : this.#kinds.get(key)
    if (kind) return kind
    const fresh = { told: 0, quiet: 0, toldAt: -Infinity, seenAt: now }
    this.#kinds.set(key, fresh)
    return fresh
  }

  #clean(now: number): void {
    for (const [name, { seenAt }] of this.#kinds) if (now - seenAt >= FORGOTTEN) this.#kinds.delete(name)
  }
}

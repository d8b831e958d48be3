// Connections that are refused, told once a minute for each remote and reason: whoever knocks ten thousand times fills no log.

/** Milliseconds between two reports of the same. */
const PAUSE = 60_000
/** So many are remembered, the oldest given up first. */
const REMEMBERED = 256

export class Refusals {
  readonly #told = new Map<string, number>()

  /** Whether the refusal is worth a report now. */
  isNews(remote: string, reason: string, now: number): boolean {
    const key = `${remote} ${reason}`
    const last = this.#told.get(key)
    if (last !== undefined && now - last < PAUSE) return false
    this.#told.delete(key)
    this.#told.set(key, now)
    const [oldest] = this.#told.keys()
    if (this.#told.size > REMEMBERED && oldest !== undefined) this.#told.delete(oldest)
    return true
  }
}

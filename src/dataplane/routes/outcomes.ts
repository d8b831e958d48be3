// What became of prefixes: told to listeners, kept where it is trouble, handed to whoever waits for one.

import type { FibResult } from '../../model/fib.ts'
import * as say from './sentences.ts'

export class Outcomes {
  readonly #pending: (prefix: string) => boolean
  readonly #listeners = new Set<(results: readonly FibResult[]) => void>()
  readonly #waiters = new Map<string, ((result: FibResult) => void)[]>()
  readonly #trouble = new Map<string, FibResult>()
  #closed = false

  /** `pending`: the prefix is to be judged again, so what is reported now answers an older wish. */
  constructor(pending: (prefix: string) => boolean) {
    this.#pending = pending
  }

  /** Every conflict and failure that stands. */
  get trouble(): readonly FibResult[] {
    return [...this.#trouble.values()]
  }

  troubleOf(prefix: string): FibResult | undefined {
    return this.#trouble.get(prefix)
  }

  count(state: 'conflict' | 'failed'): number {
    return this.#trouble.values().reduce((sum, result) => (result.state === state ? sum + 1 : sum), 0)
  }

  listen(listener: (results: readonly FibResult[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The next outcome of the prefix that answers the present wish. */
  next(prefix: string): Promise<FibResult> {
    return new Promise(resolve => {
      if (this.#closed) return resolve({ prefix, state: 'failed', text: say.closed(prefix) })
      this.#waiters.set(prefix, [...(this.#waiters.get(prefix) ?? []), resolve])
    })
  }

  report(results: readonly FibResult[]): void {
    for (const result of results) {
      if (result.state === 'conflict' || result.state === 'failed') this.#trouble.set(result.prefix, result)
      else if (this.#trouble.size > 0) this.#trouble.delete(result.prefix)
      const waiters = this.#waiters.size > 0 ? this.#waiters.get(result.prefix) : undefined
      if (!waiters || this.#pending(result.prefix)) continue
      this.#waiters.delete(result.prefix)
      for (const resolve of waiters) resolve(result)
    }
    for (const listener of this.#listeners) listener(results)
  }

  /** Whoever still waits hears that nothing more will come. */
  close(): void {
    this.#closed = true
    for (const [prefix, waiters] of this.#waiters)
      for (const resolve of waiters) resolve({ prefix, state: 'failed', text: say.closed(prefix) })
    this.#waiters.clear()
  }
}

// Work on one thing comes one after another, work on several at once.

export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs the task when what was asked for the same key before has ended. */
  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(task)
    const ended = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(key) === ended) this.#last.delete(key)
      })
    this.#last.set(key, ended)
    return turn
  }

  /** Whether something is under way, for that key or at all. */
  isBusy(key?: string): boolean {
    return key === undefined ? this.#last.size > 0 : this.#last.has(key)
  }
}

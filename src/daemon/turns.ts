// Work on one thing comes one after another, work on several at once.

export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()
  readonly #notes = new Set<Set<string>>()

  /** Runs the task when what was asked for the same key before has ended. */
  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(task)
    const ended = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(key) === ended) this.#last.delete(key)
      })
    this.#last.set(key, ended)
    for (const note of this.#notes) note.add(key)
    return turn
  }

  /** Notes the keys of all that is under way at any moment from now on, until it is disposed of. */
  note(): { readonly keys: ReadonlySet<string> } & Disposable {
    const keys = new Set(this.#last.keys())
    this.#notes.add(keys)
    return { keys, [Symbol.dispose]: () => this.#notes.delete(keys) }
  }
}

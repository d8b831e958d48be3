// One look at a later time, however often it is asked for: the first asked for is the one that comes.

export class Later {
  readonly #look: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(look: () => void) {
    this.#look = look
  }

  /** In so many milliseconds, unless one is due already. It does not keep the process alive. */
  in(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#look()
    }, ms).unref()
  }

  cancel(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

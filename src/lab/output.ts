// What the lab's commands print, and on what: colours on a terminal, plain text elsewhere or with NO_COLOR.

export type ExitCode = 0 | 1 | 2 | 3

/** Where a command prints and what may stop it. */
export interface LabIo {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Escape sequences are understood. */
  readonly color: boolean
  /** The last line may be written over. */
  readonly live: boolean
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/** This process's own streams. `signal` defaults to one that is never aborted. */
export function processIo(signal: AbortSignal = new AbortController().signal): LabIo {
  const tty = process.stdout.isTTY
  // Whoever reads may go before the end (`| head`): the work goes on.
  process.stdout.on('error', () => {})
  const color = tty && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
  return {
    out: text => process.stdout.write(text),
    err: text => process.stderr.write(text),
    color,
    live: color,
    signal,
  }
}

/** A refusal: one sentence for the user, and the exit code. */
export class LabError extends Error {
  readonly exitCode: 1 | 2 | 3
  constructor(exitCode: 1 | 2 | 3, message: string) {
    super(message)
    this.name = 'LabError'
    this.exitCode = exitCode
  }
}

/** All of the lab is made, but it does not come to what it should: it is left up, to look into. */
export class NotConverged extends LabError {
  constructor(message: string) {
    super(1, message)
  }
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

export type Paint = (style: keyof typeof codes, text: string) => string

export const paintFor = (io: LabIo): Paint =>
  io.color ? (style, text) => `\x1b[${codes[style]}m${text}\x1b[0m` : (_, text) => text

/** `1 subnet`, `2 subnets`. */
export const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`

/** One line a step: what is done now, and when it is done how long it took. */
export class Progress {
  readonly #io: LabIo
  readonly #paint: Paint
  readonly #started = performance.now()

  constructor(io: LabIo) {
    this.#io = io
    this.#paint = paintFor(io)
  }

  /** Runs a step; `work` returns what to say about it. */
  async step(name: string, work: () => Promise<string>): Promise<void> {
    this.#io.signal.throwIfAborted()
    const started = performance.now()
    if (this.#io.live) this.#io.out(`  ${this.#paint('dim', '…')} ${name}`)
    try {
      const told = await work()
      this.#line(this.#paint('green', '✔'), name, told, performance.now() - started)
    } catch (error) {
      this.#line(this.#paint('red', '✘'), name, '', performance.now() - started)
      throw error
    }
  }

  get elapsed(): string {
    return seconds(performance.now() - this.#started)
  }

  #line(mark: string, name: string, told: string, took: number): void {
    const text = `  ${mark} ${name.padEnd(12)} ${told.padEnd(58)} ${this.#paint('dim', seconds(took).padStart(7))}`
    this.#io.out(`${this.#io.live ? '\r\x1b[2K' : ''}${text.trimEnd()}\n`)
  }
}

// The generator's process, seen from the one that measures.

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Host } from '../../integration/interop/kit/lan.ts'
import type { FromGenerator, ToGenerator } from './main.ts'
import type { PhaseResult } from './run.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

/** The other end of the generator's process. */
export class Generator {
  readonly #child: ChildProcess
  #heard: FromGenerator[] = []
  #wake = () => {}

  /** Starts it in a namespace, for a scenario's size; `who`: see `main.ts`. */
  constructor({ netns }: Host, scenario: string, size: number, who: string) {
    const argv = ['netns', 'exec', netns, process.execPath, '--max-old-space-size=8192', main]
    const child = spawn('ip', [...argv, scenario, String(size), who], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child = child
    child.on('message', (message: FromGenerator) => {
      this.#heard.push(message)
      this.#wake()
    })
    child.on('exit', () => {
      this.#heard.push({ is: 'failed', words: 'the generator ended' })
      this.#wake()
    })
  }

  async phase(what: { readonly phase: number; readonly limit: number }): Promise<PhaseResult> {
    this.#tell(what)
    const message = await this.#next(what.limit + 60)
    if (message.is !== 'done')
      throw new Error(message.is === 'failed' ? message.words : `the generator is ${message.is}`)
    return message.result
  }

  /** Its peers say nothing from now on. Resolves with the time, in milliseconds since 1970, at which the device gave one up. */
  async silence(limit: number): Promise<number> {
    this.#tell('silence')
    const message = await this.#next(limit)
    if (message.is !== 'given up') throw new Error(message.is === 'failed' ? message.words : message.is)
    return message.at
  }

  #tell(what: ToGenerator): void {
    this.#child.send(what)
  }

  async says(what: FromGenerator['is'], limit: number): Promise<void> {
    const message = await this.#next(limit)
    if (message.is === 'failed') throw new Error(message.words)
    if (message.is !== what) throw new Error(`the generator is ${message.is}, not ${what}`)
  }

  async #next(limit: number): Promise<FromGenerator> {
    const late = setTimeout(() => {
      this.#heard.push({ is: 'failed', words: `nothing from the generator for ${limit} s` })
      this.#wake()
    }, limit * 1000)
    while (this.#heard.length === 0) await new Promise<void>(resolve => (this.#wake = resolve))
    clearTimeout(late)
    const [message, ...rest] = this.#heard
    this.#heard = rest
    return message
  }
}

// DELs that found no daemon, or got no answer of it. The stub wrote each as a file (stub/spool.c); here they are done: all before the
// first call, those of an attachment before it is attached anew, and again and again what came while the daemon ran.

import { existsSync, readdirSync } from 'node:fs'
import { readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CniBackend } from './backend.ts'
import { CniError, code } from './errors.ts'
import { handle, type Owed } from './handle.ts'
import type { KeyedQueue } from './queue.ts'
import { readRequest } from './wire.ts'

export class Spool implements Owed {
  readonly #dir: string
  readonly #backend: CniBackend
  readonly #queue: KeyedQueue

  constructor(dir: string, backend: CniBackend, queue: KeyedQueue) {
    this.#dir = dir
    this.#backend = backend
    this.#queue = queue
  }

  /** Does every DEL and removes its file; a sentence for each that could not be done, which stays unless it can never be done. */
  async replay(): Promise<readonly string[]> {
    const problems: string[] = []
    for (const name of this.#entries()) {
      const [container = '', interfaceName = ''] = name.split(':')
      const problem = await this.#queue.run(keyOf(container, interfaceName), () => this.#do(name))
      if (problem !== undefined) problems.push(problem)
    }
    return problems
  }

  /**
   * Does those of one attachment, which is about to be made anew: done later, they would hit the new one. To be called inside the
   * attachment's place in the queue. Throws CniError if one cannot be done.
   */
  async before(containerId: string, ifName: string): Promise<void> {
    const start = `${containerId}:${ifName}:`
    for (const name of this.#entries()) {
      if (!name.startsWith(start)) continue
      const problem = await this.#do(name)
      if (problem !== undefined)
        throw new CniError(
          code.tryAgainLater,
          `ADD of ${containerId}: an earlier DEL of its ${ifName} is not done yet.`,
          problem,
        )
    }
  }

  /** Names of the stub's files that are complete. Asked before each ADD, of a folder that is hardly ever there: a thread would cost more. */
  #entries(): readonly string[] {
    if (!existsSync(this.#dir)) return []
    try {
      return readdirSync(this.#dir)
        .filter(name => name.endsWith('.del'))
        .toSorted()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  async #do(name: string): Promise<string | undefined> {
    const path = join(this.#dir, name)
    try {
      return await replay(path, this.#backend)
    } catch (error) {
      // Its stub has had an answer after all and taken it away, or another turn has done it.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      const why = error instanceof Error ? error.message : String(error)
      return `spool entry ${path}: it cannot be read or removed (${why}), so it was left; remove it by hand if it is no DEL.`
    }
  }
}

/** Calls of one attachment take turns under this key. */
export function keyOf(containerId: string, ifName: string): string {
  return `${containerId}/${ifName}`
}

/** What a stub has left half-written: to be called before the socket is there, when none is at work. */
export async function clearHalfWritten(dir: string): Promise<void> {
  const names = await readdir(dir).catch(() => [])
  for (const name of names.filter(each => each.startsWith('.tmp-'))) await rm(join(dir, name), { force: true })
}

async function replay(path: string, backend: CniBackend): Promise<string | undefined> {
  const reading = readRequest(await readFile(path))
  if (reading.state !== 'request' || reading.request.env.CNI_COMMAND !== 'DEL') {
    await rm(path, { force: true })
    return `spool entry ${path}: it is no DEL, so it was removed; the next GC frees what it may have meant.`
  }
  const { exitCode, stdout } = await handle(reading.request, backend)
  if (exitCode !== 0) return `spool entry ${path}: its DEL failed (${stdout.trim()}); it is tried again.`
  await rm(path, { force: true })
  return undefined
}

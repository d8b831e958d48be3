// DELs that runtimes made while the daemon was away. The stub wrote each as a file (stub/spool.c); here they are done.

import { readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CniBackend } from './backend.ts'
import { handle } from './handle.ts'
import { readRequest } from './wire.ts'

export interface Replayed {
  /** DELs done. */
  readonly done: number
  /** One sentence for each that could not be done; it stays for the next start, unless it can never be done. */
  readonly problems: readonly string[]
}

/** Does every spooled DEL and removes its file. To be called before the first ADD, while new connections already wait. */
export async function replaySpool(dir: string, backend: CniBackend): Promise<Replayed> {
  let done = 0
  const problems: string[] = []
  for (const name of await entries(dir)) {
    const path = join(dir, name)
    const problem = await replay(path, backend).catch((error: unknown) => unreadable(path, error))
    if (problem === undefined) done++
    else problems.push(problem)
  }
  return { done, problems }
}

/** Files of the stub that are complete; what it left half-written is removed. */
async function entries(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names.filter(each => each.startsWith('.tmp-'))) await rm(join(dir, name), { force: true })
  return names.filter(name => name.endsWith('.del')).toSorted()
}

function unreadable(path: string, error: unknown): string {
  const why = error instanceof Error ? error.message : String(error)
  return `spool entry ${path}: it cannot be read or removed (${why}), so it was left; remove it by hand if it is no DEL.`
}

async function replay(path: string, backend: CniBackend): Promise<string | undefined> {
  const reading = readRequest(await readFile(path))
  if (reading.state !== 'request' || reading.request.env.CNI_COMMAND !== 'DEL') {
    await rm(path, { force: true })
    return `spool entry ${path}: it is no DEL, so it was removed; the next GC frees what it may have meant.`
  }
  const { exitCode, stdout } = await handle(reading.request, backend)
  if (exitCode !== 0)
    return `spool entry ${path}: its DEL failed (${stdout.trim()}); it is tried again at the next start.`
  await rm(path, { force: true })
  return undefined
}

// A folder with all that lead to it. Node's own `mkdir` with `recursive` goes round and round where a folder is there and takes no other
// (/proc, which answers ENOENT).

import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Nothing happens if it is there. Throws what mkdir(2) says; EEXIST: it is a file; ENOENT: there can be no folders in that place. */
export function makeFolder(path: string, mode = 0o777): void {
  const missing: string[] = []
  for (let at = path; !existsSync(at); at = dirname(at)) missing.push(at)
  if (missing.length === 0 && !statSync(path).isDirectory()) mkdirSync(path) // says EEXIST
  for (const each of missing.toReversed())
    try {
      mkdirSync(each, { mode })
    } catch (error) {
      // Another process was faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
}

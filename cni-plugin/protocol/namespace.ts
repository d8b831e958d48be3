// Whether a path is a container's network namespace, ours, or none.

import { statSync } from 'node:fs'
import type { NamespaceKind } from './backend.ts'

/** For backends: namespaces are files of one file system, told apart by inode (namespaces(7)). */
export async function namespaceKind(path: string): Promise<NamespaceKind> {
  const own = statSync('/proc/self/ns/net')
  const file = statIfThere(path)
  if (!file) return 'missing'
  if (file.dev !== own.dev) return 'other'
  return file.ino === own.ino ? 'host' : 'container'
}

function statIfThere(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

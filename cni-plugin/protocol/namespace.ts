// Whether a path is a container's network namespace, ours, or none.

import { statSync } from 'node:fs'
import type { NamespaceKind } from './backend.ts'

/** For backends: namespaces are files of one file system, told apart by inode (namespaces(7)). */
export async function namespaceKind(path: string): Promise<NamespaceKind> {
  const own = statSync('/proc/self/ns/net')
  try {
    // Also where a part of the path is no directory.
    const file = statSync(path, { throwIfNoEntry: false })
    if (!file) return 'missing'
    if (file.dev !== own.dev) return 'other'
    return file.ino === own.ino ? 'host' : 'container'
  } catch {
    return 'unreadable'
  }
}

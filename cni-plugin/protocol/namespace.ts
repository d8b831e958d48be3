// Whether a path is a container's network namespace, ours, or none.

import { stat } from 'node:fs/promises'
import type { NamespaceKind } from './backend.ts'

/** For backends: namespaces are files of one file system, told apart by inode (namespaces(7)). */
export async function namespaceKind(path: string): Promise<NamespaceKind> {
  const own = await stat('/proc/self/ns/net')
  const file = await stat(path).catch(() => undefined)
  if (!file) return 'missing'
  if (file.dev !== own.dev) return 'other'
  return file.ino === own.ino ? 'host' : 'container'
}

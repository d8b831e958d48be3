// Whether a margayd runs in this network namespace, whatever its file says: two on one kernel would undo each other's work.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/** Process ids of other daemons that share our network namespace, from /proc. */
export function daemonsHere(): readonly number[] {
  const ours = readlinkSync('/proc/self/ns/net')
  return readdirSync('/proc')
    .map(Number)
    .filter(pid => pid > 0 && pid !== process.pid && isDaemonIn(pid, ours))
}

/** A process may end while it is looked at: then it is none. */
function isDaemonIn(pid: number, namespace: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, 4)
    const isDaemon = words.some(word => /^margayd(\.js)?$/.test(basename(word)))
    return isDaemon && readlinkSync(`/proc/${pid}/ns/net`) === namespace
  } catch {
    return false
  }
}

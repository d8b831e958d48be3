// Who may use the daemon's sockets: root, in the network of the node.
//
// The mode of a socket keeps other users out, but not root of a pod that has the socket's folder mounted: without a user namespace
// it is the node's user id 0. What tells such a process from a runtime or `margayctl` is its network namespace. That of pid 1 is the
// node's as well, where margayd itself runs in one that was made for it. A pod with the node's network cannot be told apart.
//
// Namespaces are compared by the inode of /proc/PID/net/unix, a file that each of them has of its own: /proc/PID/ns/net would need
// CAP_SYS_PTRACE for a process with more capabilities than the daemon has (ptrace(2)), this file needs no right.

import { readFileSync, statSync } from 'node:fs'
import type { Socket } from 'node:net'
import { type PeerCredentials, peerCredentials, peerIsAlive } from '../../netlink/socket.ts'

/** Milliseconds between two lines about processes that were turned away. */
const tellEvery = 60_000

/**
 * Closes a connection whose other end may not have it, and says so by `tell`, at most once a minute.
 * The result is called with each connection, before a byte of it is read; false: it was closed.
 */
export function callerGuard(
  path: string,
  tell: (sentence: string) => void,
  now: () => number = () => performance.now(),
): (connection: Socket) => boolean {
  let quietUntil = 0
  let untold = 0
  return connection => {
    const reason = refusal(connection)
    if (reason === undefined) return true
    connection.destroy()
    untold++
    if (now() < quietUntil) return false
    const others = untold > 1 ? ` (so were ${untold - 1} others in the meantime)` : ''
    tell(`${path}: ${reason}; its connection was closed unanswered${others}`)
    quietUntil = now() + tellEvery
    untold = 0
    return false
  }
}

/** Of this process, which stays in its namespace. */
let own: string | undefined

/** Why the process that made this connection may not use it, or undefined. */
function refusal(connection: Socket): string | undefined {
  // The descriptor of a socket that Node accepted; Node has no public name for it.
  const { fd = -1 } = (connection as Socket & { readonly _handle?: { readonly fd?: number } | null })._handle ?? {}
  try {
    return refusalOf(fd, peerCredentials(fd))
  } catch (error) {
    return `a process called of which nothing can be found out (${error instanceof Error ? error.message : String(error)})`
  }
}

function refusalOf(fd: number, { pid, uid }: PeerCredentials): string | undefined {
  if (pid === 0)
    return 'a process called that is outside of the pid namespace of margayd, so nobody can say whose it is: run margayd in that of the host'
  if (uid !== 0) return `process ${pid} of user ${uid} called, and only root may`
  const namespace = networkOf(pid)
  // Last: what was read under this pid may have been another process's, which got it after the caller had ended.
  if (namespace === undefined || peerIsAlive(fd, pid) === false)
    return `process ${pid} called, and has ended or is hidden from margayd in /proc (hidepid without CAP_SYS_PTRACE)`
  if (namespace === (own ??= networkOf('self')) || namespace === networkOf(1)) return undefined
  return `process ${pid}${nameOf(pid)} called, which is in another network namespace than the node, as those of pods are: if it is a pod's, do not mount the folder of the socket there`
}

/** What identifies the network namespace of a process; undefined: there is no such process, or it has none any more. */
export function networkOf(pid: number | 'self'): string | undefined {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/net/unix`)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/** ` (sh)`: a process may call itself anything, so only plain characters of it reach the log. */
function nameOf(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, 'latin1')
      .trim()
      .replaceAll(/[^\x20-\x7e]/g, '?')})`
  } catch {
    return ''
  }
}

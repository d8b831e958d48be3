// Who is at the other end of a unix socket (unix(7), SO_PEERCRED), and whether that process is still there (SO_PEERPIDFD, Linux 6.5).

import { addon } from './addon.ts'
import { errnoName, errnoText, NetlinkError } from './errno.ts'

/** As it was at connect(2), or at listen(2), and as the reader's namespaces have it. */
export interface PeerCredentials {
  /** 0: a process that the reader's pid namespace does not have. */
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** asm-generic/socket.h */
const SOL_SOCKET = 1
const SO_PEERCRED = 17

/** @throws NetlinkError EBADF, ENOTSOCK… */
export function peerCredentials(fd: number): PeerCredentials {
  const ucred = new Int32Array(3)
  const code = addon().getOption(fd, SOL_SOCKET, SO_PEERCRED, new Uint8Array(ucred.buffer), ucred.byteLength)
  if (code < 0) {
    const name = errnoName(code)
    throw new NetlinkError(name, `the peer of socket ${fd}: ${errnoText(name)}`)
  }
  return { pid: ucred[0], uid: ucred[1] >>> 0, gid: ucred[2] >>> 0 }
}

/**
 * Whether the process that had this pid at connect(2) has it still: what was read of /proc/PID before the answer is then its own, and not
 * of another one that got the pid since. Undefined: this kernel cannot tell.
 */
export function peerIsAlive(fd: number, pid: number): boolean | undefined {
  const alive = addon().peerAlive(fd)
  if (alive < 0) return errnoName(alive) === 'ENOPROTOOPT' ? undefined : false
  return alive === 1 && peerCredentials(fd).pid === pid
}

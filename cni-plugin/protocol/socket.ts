// Where the daemon and its executable meet unless told otherwise (stub/main.c has the same paths), and who is there.

import { connect, type Server } from 'node:net'

export const defaultSocket = '/run/margay/cni.sock'
export const defaultSpoolDir = '/var/lib/margay/cni-spool'

/** Whether a process answers on a unix socket: a file alone may be what a killed one left. */
export function somebodyListens(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}

/** Listens on a unix socket that is root's from its first moment: the mode is not set after it is there. */
export async function listenForRoot(server: Server, path: string): Promise<void> {
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', resolve)
  })
  // The socket is bound before `listen` returns, so that nothing else is made under this mask.
  const mask = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(mask)
  }
  await listening
}

// Where the daemon and its executable meet unless told otherwise (stub/main.c has the same paths), and who is there.

import { connect } from 'node:net'

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

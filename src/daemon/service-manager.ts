// systemd, which may have started this process, and may wait for it.

import { execFile } from 'node:child_process'
import type { Log } from './log.ts'

/** Tells systemd that the unit is up, if it waits for that (`Type=notify`). By its own command: Node has no datagram sockets of AF_UNIX. */
export function tellReady(log: Log): void {
  if (process.env['NOTIFY_SOCKET'] === undefined) return
  execFile('systemd-notify', ['--ready'], error => {
    if (error)
      log.error('systemd was not told that margayd is up, and waits', {
        reason: error.message.trim(),
        fix: 'systemd-notify must be in PATH; or say Type=exec in the unit',
      })
  })
}

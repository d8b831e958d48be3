// What is said of a tunnel that cannot be: object, reason, next step, one sentence each.

import type { FouPort } from '../../../netlink/generic/fou-types.ts'
import type { Result } from '../../../netlink/types.ts'
import type { UndoneFight } from '../undone.ts'
import type { TunnelDevice } from './encapsulation.ts'

export function notInKernel({ name, option, module, field }: TunnelDevice['inKernel']): string {
  return `this node's kernel has no ${name} devices (${option}), which ${field} needs: load the module (modprobe ${module}), run a kernel that has it, such as Debian's, or write ${field}: Never in its ippools`
}

export function foreign(device: string, kind: string | undefined): string {
  return `device ${device}: it has the name of our tunnel but is ${kind === undefined ? 'a device' : `of kind ${kind}`} that Margay did not make, so it is left alone; remove or rename it`
}

export function portRefused(
  { port, local }: FouPort,
  { errno, text }: { readonly errno: string; readonly text: string },
): string {
  return `UDP port ${port} on ${local}: the kernel refused to unwrap what comes there (${errno}: ${text}); find out who has it with ss -lunp, and have it leave that port; tried again when something changes`
}

export function refused(device: string, { errno, text }: Extract<Result, { ok: false }>): string {
  const why = errno === 'EEXIST' ? ', so another device has the same ends: see ip -d link' : ''
  return `device ${device}: the kernel refused it (${errno}: ${text})${why}; tried again when something changes`
}

export function portTaken(device: string, port: number): string {
  return `device ${device}: another program has UDP port ${port} (see ss -ulnp, and wg show for other WireGuard devices), on which the nodes send to each other; move that one, then it is tried again`
}

/** `unlike`: the device is wanted, but what makes it wrong cannot be changed, and it cannot be made anew. */
export function stacked(device: string, { name }: { readonly name: string }, unlike = false): string {
  const why = unlike ? 'is not as it has to be, and can only be made anew' : 'is needed by no ippool any more'
  return `device ${device}: it ${why}, but ${name}, which is another's, stands on it and would go with it, so it stays; remove that one: ip link delete ${name}`
}

export function unread(device: string, why: string): string {
  return `device ${device}: its state could not be read (${why}); tried again when something changes`
}

export function fight({ device, object, count }: UndoneFight): string {
  return `device ${device}: somebody changes ${object} again and again (${count} times in a short while), so it is put right ever more slowly; find out with ip monitor link address neigh, and have that program leave ${device} alone (systemd-networkd and NetworkManager: unmanaged)`
}

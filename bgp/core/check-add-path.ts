// What of ADD-PATH (RFC 7911) can be configured.

import type { PeerConfig } from '../types.ts'
import { offered } from '../session/traits.ts'

type Add = (field: string, value: unknown, reason: string, fix: string) => void

/** More than this costs a comparison of all paths for each. */
const MOST_BEST = 255

export function checkAddPath(peer: PeerConfig, add: Add): void {
  const carried = offered(peer)
  for (const [name, wanted] of Object.entries(peer.addPath ?? {})) {
    const field = `addPath.${name}`
    if (!carried.some(family => family === name)) {
      const fix = carried.length > 0 ? `use ${carried.join(' or ')}, or add it to families` : 'add it to families'
      add(field, name, 'the session does not carry that family', fix)
    }
    const send = wanted?.send
    if (send === undefined || send === 'all' || send === 'ecmp') continue
    if (typeof send !== 'object' || !isCount(send.best)) {
      const fix = `use all, ecmp, or { best: … } with 1 to ${MOST_BEST}`
      add(`${field}.send`, send, 'it is no choice of paths', fix)
    }
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= MOST_BEST
}

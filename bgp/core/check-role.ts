// The role of a peer (RFC 9234), as it is configured.

import type { PeerConfig } from '../types.ts'
import { bgpRoles } from '../wire/capabilities.ts'

type Add = (field: string, value: unknown, reason: string, fix: string) => void

export function checkRole({ role, strictRole }: PeerConfig, isInternal: boolean, add: Add): void {
  if (role !== undefined && !bgpRoles.includes(role)) {
    add('role', role, 'it is none that is known (RFC 9234)', `use ${bgpRoles.join(', ')}: what we are to the peer`)
  } else if (role !== undefined && isInternal) {
    const reason = 'the peer belongs to us, and roles are for sessions with another AS (RFC 9234)'
    add('role', role, reason, 'remove it, or correct remoteAs')
  }
  if (strictRole && role === undefined) {
    add('strictRole', true, 'there is no role of ours that the peer could answer', 'set role, or remove it')
  }
}

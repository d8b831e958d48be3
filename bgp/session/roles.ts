// BGP roles (RFC 9234): what both ends of an eBGP session are to each other, and which routes from there are leaks.
//
// The attribute ONLY_TO_CUSTOMER marks what came from a provider, a lateral peer or a route server. Here is what becomes of
// it on the way in (§5, ingress); the way out is in groups/export-rules.ts.

import type { BgpRole } from '../types.ts'
import { bgpRoles, type Capability } from '../wire/capabilities.ts'
import { type Fault, fault } from '../wire/verdict.ts'

/** §4.2, table 2: what the peer has to be, by our role. */
const counterpart: { readonly [R in BgpRole]: BgpRole } = {
  provider: 'customer',
  customer: 'provider',
  peer: 'peer',
  'rs-server': 'rs-client',
  'rs-client': 'rs-server',
}

export interface Roles {
  /** Ours, as configured. */
  readonly role?: BgpRole
  /** The peer's, if it says so in this session. */
  readonly peerRole?: BgpRole
}

/** The capability that says our role. */
export function roleCapability(role: BgpRole): Capability {
  return { kind: 'role', value: bgpRoles.indexOf(role) }
}

/** §4.2: what the peer's capabilities make of our role, or why the session must not be. For eBGP only. */
export function agreeOnRoles(
  role: BgpRole | undefined,
  isStrict: boolean,
  capabilities: readonly Capability[],
): Roles | { readonly fault: Fault } {
  const said = new Set(capabilities.flatMap(one => (one.kind === 'role' ? [one.value] : [])))
  const names = Array.from(said, value => bgpRoles[value] ?? `number ${value}`)
  if (said.size > 1) return mismatch(`it announces several roles at once: ${names.join(', ')}`)
  const [value] = said
  if (role === undefined) return { peerRole: bgpRoles[value] }
  if (value === undefined) {
    return isStrict ? mismatch(`it announces no role, but strictRole is set, and our role is ${role}`) : { role }
  }
  const peerRole = bgpRoles[value]
  if (peerRole === counterpart[role]) return { role, peerRole }
  return mismatch(`its role is ${names[0]}, but ours is ${role}, which goes with ${counterpart[role]} only`)
}

function mismatch(why: string): { readonly fault: Fault } {
  return { fault: fault(2, 11, `${why} (RFC 9234)`) }
}

/** §5, ingress. */
export interface LeakRules {
  /** With which ONLY_TO_CUSTOMER a route from the peer is a leak: none, any, or any but the peer's own AS. */
  readonly leaks: 'never' | 'marked' | 'marked by others'
  /** What is put on routes without one; 0 = nothing. */
  readonly mark: number
}

export function leakRules(role: BgpRole | undefined, peerAs: number): LeakRules {
  switch (role) {
    case undefined:
      return { leaks: 'never', mark: 0 }
    case 'provider':
    case 'rs-server':
      return { leaks: 'marked', mark: 0 }
    case 'peer':
      return { leaks: 'marked by others', mark: peerAs }
    case 'customer':
    case 'rs-client':
      return { leaks: 'never', mark: peerAs }
  }
}

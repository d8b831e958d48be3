// Which part of a configuration changed, and what that takes.

import { offeredPaths, policies, wantsExtendedNextHop } from '../session/traits.ts'
import type { ResolvedPeer } from '../session/host.ts'
import type { ConfigIssue, SpeakerConfig } from '../types.ts'
import { families } from '../wire/family.ts'
import { keepConnection } from './tcp-ao.ts'

/**
 * `session`: a new session is needed; `moved`: the same, but it is the same two speakers, one of which is to be found elsewhere;
 * `policies`: routes are filtered anew; `adjust`: nothing but to remember it.
 */
export type Change = 'none' | 'adjust' | 'policies' | 'moved' | 'session'

/** Where the two ends are, and by which of our addresses the peer sends packets here. */
function placePart({ address, port, localAddress, nextHopSelf }: ResolvedPeer): unknown {
  return [address, port, localAddress, nextHopSelf]
}

/** What both ends agreed on, or what every route was built with. */
function sessionPart(config: ResolvedPeer): unknown {
  const {
    remoteAs,
    localAs,
    localAsMode,
    families: carried,
    nextHop,
    reflectorClient,
    extendedMessages = true,
    kind,
  } = config
  const sorted = carried && [...carried].toSorted()
  return [
    remoteAs,
    localAs,
    localAsMode,
    sorted,
    nextHop,
    reflectorClient,
    wantsExtendedNextHop(config),
    extendedMessages,
    kind,
    kind !== 'ebgp' && config.confederation !== undefined,
    offeredPaths(config),
    config.role,
    config.role && config.strictRole,
  ]
}

export function compare(before: ResolvedPeer, after: ResolvedPeer): Change {
  const differ = (part: (config: ResolvedPeer) => unknown) => canonical(part(before)) !== canonical(part(after))
  if (differ(sessionPart) || !keepConnection(before.tcpAo, after.tcpAo)) return 'session'
  if (differ(placePart)) return 'moved'
  if (differ(config => families.map(({ family }) => policies(config, family)))) return 'policies'
  return differ(config => config) ? 'adjust' : 'none'
}

/** What cannot change while routes are held that were built with it. */
export function identityIssues(before: SpeakerConfig, after: SpeakerConfig): ConfigIssue[] {
  const fields = ['asn', 'routerId', 'clusterId'] as const
  return fields
    .filter(field => canonical(before[field]) !== canonical(after[field]))
    .map(field => ({
      field,
      value: after[field],
      reason: `it is ${before[field] ?? 'not set'} now, and every route was built with that`,
      fix: 'stop this speaker and start another',
    }))
}

/** Equal for equal values, whatever the order of keys; a key that is undefined counts as absent. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (inner instanceof Map) return [...inner].toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1))
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}

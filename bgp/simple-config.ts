// The short way to write a configuration down, for programs with a handful of peers.

import { acceptAll, type PeerConfig, type SpeakerConfig } from './types.ts'

/**
 * A peer with what it needs; the rest has defaults. Policies default to **accept everything**, in and out: right for a
 * tool in a lab. A speaker in a network says what it accepts and what it announces (RFC 8212).
 */
export type SimplePeer = Pick<PeerConfig, 'remoteAs'> & Partial<PeerConfig>

/** Like `SpeakerConfig`; the peers as a plain object by name, or as a list, named by address or interface. Templates are short, too. */
export interface SimpleConfig extends Omit<SpeakerConfig, 'peers'> {
  readonly peers?: Readonly<Record<string, SimplePeer>> | readonly SimplePeer[]
}

export function fullConfig(config: SpeakerConfig | SimpleConfig): SpeakerConfig {
  const { peers = [] } = config
  if (peers instanceof Map) return { ...config, peers }
  const named = Array.isArray(peers)
    ? (peers as readonly SimplePeer[]).map(peer => [peer.address ?? peer.interface ?? '', peer] as const)
    : Object.entries(peers as Readonly<Record<string, SimplePeer>>)
  return {
    ...config,
    dynamic: config.dynamic?.map(range => ({
      ...range,
      template: { import: acceptAll, export: acceptAll, ...range.template },
    })),
    peers: new Map(named.map(([name, peer]) => [name, { import: acceptAll, export: acceptAll, ...peer }])),
  }
}

// What the configuration of peers means for their sockets.

import type { ConfigIssue, PeerConfig, SpeakerConfig, TcpAoKey } from '../types.ts'
import { isInternal } from '../session/remote-as.ts'
import type { Protection, Transport } from './transport.ts'

const MOST_TTL = 255

/** `addressOf`: where a peer is, if that is known. */
export function protections(
  config: SpeakerConfig,
  addressOf: (peer: PeerConfig) => string | undefined = peer => peer.address,
): Protection[] {
  const ranges = (config.dynamic ?? []).map(({ prefix, template }) => ({ ...template, address: prefix }))
  const located = [...config.peers.values(), ...ranges].flatMap(peer => {
    const address = addressOf(peer)
    return address === undefined ? [] : [{ ...peer, address }]
  })
  return located.map(peer => ({
    address: peer.address,
    secret: peer.secret,
    tcpAo: peer.tcpAo,
    ...hops(peer, peer.localAs ?? config.asn),
  }))
}

/** RFC 5082 §3: send the most, take what so many links have left of it. Else as far as `multihop` says. */
function hops({ ttlSecurity, multihop, remoteAs }: PeerConfig, localAs: number): { ttl: number; leastTtl: number } {
  if (ttlSecurity !== undefined) return { ttl: MOST_TTL, leastTtl: MOST_TTL + 1 - ttlSecurity }
  if (typeof multihop === 'number') return { ttl: multihop, leastTtl: 0 }
  return { ttl: multihop === false && !isInternal(remoteAs, localAs) ? 1 : 0, leastTtl: 0 }
}

/** What a transport without socket options cannot do. Keys are not shown. */
export function unprotectable(config: SpeakerConfig): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const reason = 'the transport in use has no such socket option'
  const fix = 'give the speaker one that has, on Linux tcpWith(sockets()) with netlink-ts/socket'
  const ranges = (config.dynamic ?? []).map(({ name, template }) => [name, template] as const)
  for (const [peer, { secret, tcpAo, ttlSecurity, multihop }] of [...config.peers, ...ranges]) {
    if (secret !== undefined) issues.push({ peer, field: 'secret', value: '(not shown)', reason, fix })
    if (tcpAo !== undefined) issues.push({ peer, field: 'tcpAo', value: '(not shown)', reason, fix })
    if (ttlSecurity !== undefined) issues.push({ peer, field: 'ttlSecurity', value: ttlSecurity, reason, fix })
    if (typeof multihop === 'number') issues.push({ peer, field: 'multihop', value: multihop, reason, fix })
  }
  return issues
}

/** Peers whose keys of TCP-AO this system has no use for; it is asked only if there are any. Keys are not shown. */
export function withoutTcpAo(config: SpeakerConfig, lacks: Transport['tcpAoLacks']): ConfigIssue[] {
  const answers = new Map<string, string | undefined>()
  const ask = (key: TcpAoKey): string | undefined => {
    const kind = `${key.algorithm} ${key.maclen}`
    if (!answers.has(kind)) answers.set(kind, lacks ? lacks(key) : 'the transport in use has no TCP-AO')
    return answers.get(kind)
  }
  const fix = 'run Linux 6.7 or newer, built with CONFIG_TCP_AO, or give the peer a secret for TCP-MD5 instead'
  const ranges = (config.dynamic ?? []).map(({ name, template }) => [name, template] as const)
  return [...config.peers, ...ranges].flatMap(([peer, { tcpAo = [] }]) => {
    const reason = tcpAo.map(ask).find(answer => answer !== undefined)
    return reason === undefined ? [] : [{ peer, field: 'tcpAo', value: '(not shown)', reason, fix }]
  })
}

/** What a speaker without neighbour discovery cannot do. */
export function undiscoverable(config: SpeakerConfig): ConfigIssue[] {
  const reason = 'the speaker has nothing that finds the neighbour there'
  const fix = 'give the peer an address, or the speaker a discovery, on Linux discovery() of netlink-ts/discovery'
  return Array.from(config.peers).flatMap(([peer, { interface: value }]) =>
    value === undefined ? [] : [{ peer, field: 'interface', value, reason, fix }],
  )
}

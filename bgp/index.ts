// bgp-speaker: a BGP-4 speaker on TCP.

export { ConfigError, issueText, Speaker } from './speaker.ts'
export type { RouteChange, RoutesOf, SpeakerOptions } from './speaker.ts'
export type { SimpleConfig, SimplePeer } from './simple-config.ts'
export { tcpWith } from './transport/protected.ts'
export { systemClock, tcp } from './transport/tcp.ts'
export type * from './transport/transport.ts'
export * from './types.ts'

// The configuration file, as one table: every option has a row here, named as in `SpeakerConfig` and `PeerConfig`. An option
// that the types have and this table lacks does not compile.

import type {
  Confederation,
  AddPath,
  DecisionOptions,
  Family,
  GracefulRestart,
  ListenRange,
  Match,
  NumberRange,
  Origination,
  PeerConfig,
  PeerTemplate,
  Policy,
  PrefixLimit,
  PrefixRange,
  Rule,
  SpeakerConfig,
  TcpAoKey,
  Transform,
} from '../types.ts'
import type { StationOptions } from '../bmp/index.ts'
import type { MrtConfig } from './mrt-files.ts'
import { type Fields, either, flag, hidden, list, named, number, object, oneOf, type Shape, text } from './shape.ts'

/** A policy by name: one of `policies`, or `accept-all` or `reject-all`; or as it is. */
export type PolicyHere = string | Omit<Policy, 'name'>

/** Where a key comes from. */
export interface FileSecret {
  readonly secret?: string
  /** The key stands in this file, relative to the configuration file; a line end behind it does not count. */
  readonly secretFile?: string
  /** The key stands in this variable of the environment. */
  readonly secretEnv?: string
}

/** A key of TCP-AO as it is written in the file. */
export interface FileTcpAoKey extends Omit<TcpAoKey, 'secret'>, FileSecret {}

/** A peer as it is written in the file. */
export interface FilePeer extends Omit<PeerConfig, 'import' | 'export' | 'secret' | 'tcpAo'>, FileSecret {
  readonly import?: PolicyHere | readonly PolicyHere[]
  readonly export?: PolicyHere | readonly PolicyHere[]
  readonly tcpAo?: readonly FileTcpAoKey[]
}

/** What the peers of a listen range have in common. */
export type FileTemplate = Pick<FilePeer, keyof PeerTemplate | 'secretFile' | 'secretEnv'>

/** A listen range as it is written in the file. */
export interface FileRange extends Omit<ListenRange, 'template'> {
  readonly template: FileTemplate
}

/** The whole file. */
export interface FileConfig extends Omit<SpeakerConfig, 'peers' | 'dynamic'> {
  readonly dynamic?: readonly FileRange[]
  readonly peers?: Readonly<Record<string, FilePeer>>
  readonly policies?: Readonly<Record<string, Omit<Policy, 'name'>>>
  /** Routes of our own; a text is a prefix without attributes. */
  readonly announce?: readonly (string | Origination)[]
  readonly mrt?: MrtConfig
  /** Monitoring stations. */
  readonly bmp?: readonly StationOptions[]
}

const family = oneOf('ipv4-unicast', 'ipv6-unicast')
const origin = oneOf('igp', 'egp', 'incomplete')
const texts = list(text)

function perFamily<T>(of: Shape<T>): Shape<{ readonly [F in Family]?: T }> {
  return object<{ readonly [F in Family]?: T }>({ 'ipv4-unicast': of, 'ipv6-unicast': of } as Fields<{
    readonly [F in Family]?: T
  }>)
}

const range = object<NumberRange>({ min: number, max: number })
const prefixRange = object<PrefixRange>({ prefix: text, min: number, max: number }, 'prefix')

const match = object<Match>({
  prefixes: list(prefixRange),
  family,
  communities: texts,
  source: list(oneOf('local', 'ibgp', 'ebgp', 'confed-ebgp')),
  peers: texts,
  asPathContains: list(number),
  asPath: text,
  nextHops: texts,
  origin: list(origin),
  localPref: range,
  med: range,
})

const transform = object<Transform>({
  localPref: number,
  med: either(number, oneOf('remove')),
  origin,
  prepend: object<{ readonly asn: number; readonly count: number }>({ asn: number, count: number }, 'asn', 'count'),
  setCommunities: texts,
  removeCommunities: texts,
  addCommunities: texts,
  nextHop: text,
})

const rule = object<Rule>(
  { name: text, when: match, then: oneOf('accept', 'reject', 'next', 'nextPolicy'), set: transform },
  'name',
  'then',
)

const policy = object<Omit<Policy, 'name'>>(
  { rules: list(rule), otherwise: oneOf('accept', 'reject', 'nextPolicy') },
  'rules',
  'otherwise',
)
const policyHere = either(text, either(policy, list(either(text, policy))))

const prefixLimit = object<PrefixLimit>(
  { limit: number, warnAt: number, action: oneOf('warn', 'reject', 'restart'), restartAfter: number },
  'limit',
  'action',
)

const addPath = object<AddPath>({
  receive: flag,
  send: either(oneOf('all', 'ecmp'), object<{ readonly best: number }>({ best: number }, 'best')),
})

const tcpAoKey = object<FileTcpAoKey>(
  {
    sendId: number,
    receiveId: number,
    algorithm: oneOf('hmac-sha1', 'aes-128-cmac', 'hmac-sha256'),
    secret: hidden,
    secretFile: text,
    secretEnv: text,
    maclen: number,
    preferred: flag,
  },
  'sendId',
  'receiveId',
  'algorithm',
)

const template: Fields<FileTemplate> = {
  remoteAs: either(either(number, list(number)), oneOf('internal', 'external')),
  localAs: number,
  localAsMode: oneOf('replace', 'no-prepend', 'prepend'),
  allowAsIn: number,
  asOverride: flag,
  removePrivateAs: oneOf('remove', 'replace'),
  enforceFirstAs: flag,
  gracefulShutdown: flag,
  sendBlackhole: flag,
  sendLongLived: flag,
  role: oneOf('provider', 'customer', 'peer', 'rs-server', 'rs-client'),
  strictRole: flag,
  holdTime: number,
  extendedMessages: flag,
  families: list(family),
  import: policyHere,
  export: policyHere,
  nextHop: oneOf('auto', 'self', 'keep'),
  nextHopSelf: perFamily(text),
  reflectorClient: flag,
  extendedNextHop: flag,
  multihop: either(number, flag),
  gracefulRestartHelper: flag,
  longLivedHelper: either(flag, number),
  ttlSecurity: number,
  secret: hidden,
  secretFile: text,
  secretEnv: text,
  tcpAo: list(tcpAoKey),
  sendHoldTime: number,
  maxPrefixes: perFamily(prefixLimit),
  maxPrefixesOut: perFamily(prefixLimit),
  maxAsPathLength: number,
  maxCommunities: number,
  addPath: perFamily(addPath),
  description: text,
}

const peer = object<FilePeer>(
  {
    ...template,
    address: text,
    interface: text,
    port: number,
    localAddress: text,
    passive: flag,
    connectRetry: number,
  },
  'remoteAs',
)

const listenRange = object<FileRange>(
  { name: text, prefix: text, limit: number, template: object<FileTemplate>(template, 'remoteAs') },
  'name',
  'prefix',
  'template',
)

export const origination = object<Origination>(
  { prefix: text, nextHop: text, communities: texts, med: number, localPref: number, origin },
  'prefix',
)

/** Whether the router has restarted is told on the command line; the file says what holds whenever it did. */
const gracefulRestart = object<GracefulRestart>(
  { restartTime: number, restarting: flag, forwarding: flag, longLived: either(number, perFamily(number)) },
  'restartTime',
)

export const file = object<FileConfig>(
  {
    asn: number,
    routerId: text,
    clusterId: text,
    clientToClient: flag,
    listenPort: number,
    listenAddresses: texts,
    gracefulRestart,
    hostname: text,
    domainName: text,
    softwareVersion: text,
    confederation: object<Confederation>({ identifier: number, members: list(number) }, 'identifier', 'members'),
    decision: object<DecisionOptions>({
      alwaysCompareMed: flag,
      missingMed: oneOf('lowest', 'highest'),
      preferOldest: flag,
      multipath: oneOf('relaxed', 'equal', 'off'),
    }),
    gracefulShutdown: flag,
    peers: named(peer),
    dynamic: list(listenRange),
    policies: named(policy),
    announce: list(either(text, origination)),
    bmp: list(
      object<StationOptions>(
        {
          address: text,
          port: number,
          views: list(oneOf('pre', 'post', 'out', 'loc')),
          mirror: flag,
          statistics: number,
          retry: number,
          mostWaiting: number,
          sysName: text,
          sysDescr: text,
        },
        'address',
        'port',
      ),
    ),
    mrt: object<MrtConfig>({
      table: text,
      every: number,
      updates: text,
      messages: oneOf('received', 'all'),
      rotate: number,
    }),
  },
  'asn',
  'routerId',
)

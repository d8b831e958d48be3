// What the daemon answers on its unix socket: paths, queries and the JSON that comes back. The types that clients share.
//
// HTTP/1.1, JSON; GET, and POST for what changes something. An error is a status other than 200 with `Failure`.

import type { PathView, PeerStatus } from '../../bgp/types.ts'
import type { StoreErrorCode } from '../datastore/contract.ts'
import type { FibEntry } from '../model/fib.ts'

export interface DaemonStatus {
  readonly node: string
  readonly version: string
  readonly pid: number
  /** Seconds since start. */
  readonly uptime: number
  readonly datastore: {
    readonly type: 'embedded' | 'etcd'
    readonly state: 'in sync' | 'lost' | 'connecting'
    readonly text?: string
    /** While it is in sync and takes no writes: what every write fails with, with cause and next step. */
    readonly refusal?: { readonly code: StoreErrorCode; readonly text: string }
    /** What its last complete list would remove at once, and is held back. */
    readonly held?: string
  }
  /** False until the first complete view of datastore and peers is in the kernel. */
  readonly inSync: boolean
  /** Why not, while `inSync` is false. */
  readonly waitingFor: readonly string[]
  readonly asn?: number
  readonly routerId?: string
  readonly peers: { readonly established: number; readonly configured: number }
  readonly blocks: readonly string[]
  readonly endpoints: number
  /** Names of the pods among them that may send from any address (`sourceCheck: false`). */
  readonly unchecked: readonly string[]
  /** Names of those whose records were lost and are known in part only. */
  readonly partial: readonly string[]
  /** While the node is drained. */
  readonly drain?: DrainView
  readonly routes: { readonly installed: number; readonly conflicts: readonly RouteProblem[] }
  /** What a change under way waits for. */
  readonly waits: readonly string[]
  /** What in the resources cannot be done here, and the next step. */
  readonly problems: readonly string[]
  /** Those of them that tell of a record which cannot be read; absent: none. */
  readonly unreadable?: readonly string[]
}

/** How far a drain is. */
export interface DrainView {
  readonly mode: 'WaitForPods' | 'Now'
  /** `telling`: peers are given time. `waiting`: blocks with pods are still announced. `drained`: nothing is announced. */
  readonly phase: 'telling' | 'waiting' | 'drained'
  /** Blocks that are still announced. */
  readonly announced: readonly string[]
  /** What happens next, or what to do. */
  readonly text: string
}

export interface RouteProblem {
  readonly prefix: string
  readonly text: string
}

export interface BgpSummary {
  readonly node: string
  readonly asn?: number
  readonly routerId?: string
  readonly clusterId?: string
  readonly peers: readonly PeerSummary[]
}

/** A `PeerStatus` for people: the time in a state as seconds. */
export type PeerSummary = Omit<PeerStatus, 'since'> & { readonly seconds: number }

export interface BgpRoutes {
  readonly rows: readonly PathView[]
  /** Pass as `after` for the next page; absent on the last. */
  readonly next?: string
}

export interface IpamBlock {
  readonly cidr: string
  readonly pool: string
  readonly size: number
  readonly used: number
}

export interface IpamAddress {
  readonly address: string
  readonly block: string
  readonly containerId: string
  readonly ifName: string
  readonly network: string
  /** ISO 8601. */
  readonly since: string
  /** `namespace/pod` where the runtime told it. */
  readonly label?: string
}

export interface IpamView {
  readonly node: string
  readonly blocks: readonly IpamBlock[]
  readonly addresses: readonly IpamAddress[]
  /** Why the node may give no address at all: it was decommissioned. */
  readonly expelled?: string
  /** What is wrong with its blocks, and the next step. */
  readonly problems: readonly string[]
}

/** What does not agree: about addresses, by kind. */
export interface IpamFinding {
  /**
   * `leak`: a pod is gone and holds addresses. `no-endpoint`: an address in use without a pod. `no-address`: a pod with an address
   * that nothing records. `duplicate`: two have one. `stray-route`: a route to a pod's device that nobody owns. `nameless`: a pod's
   * device whose record was lost, and nothing has told whose it is. `no-block`: a pod with an address that lies in no block of its node.
   * `orphan-copy`: a copy in the datastore that names the node for a block that is not its own. `stale-copy`: one that does not say
   * which addresses the node has given. `unreadable`: one with entries that nobody can read.
   */
  readonly kind:
    | 'leak'
    | 'duplicate'
    | 'no-endpoint'
    | 'no-address'
    | 'stray-route'
    | 'nameless'
    | 'no-block'
    | 'orphan-copy'
    | 'stale-copy'
    | 'unreadable'
  /** An address, several with blanks between them, or a route. */
  readonly object: string
  /** What is wrong, and the next step. */
  readonly text: string
  /** It is provable that it can be put right. */
  readonly fixable?: boolean
  readonly fixed?: true
  /** Why it could not be put right although that was asked for. */
  readonly refused?: string
}

export interface IpamCheckAnswer {
  readonly node: string
  readonly findings: readonly IpamFinding[]
}

export interface IpamRelease {
  readonly node: string
  /** Addresses. */
  readonly released: readonly string[]
}

/** How great packets may be, in octets, by what the links and the daemon's file say (docs/mtu.md). */
export interface MtuView {
  readonly node: string
  /** Between nodes, for each family that the node has an address of. */
  readonly parents: readonly MtuParent[]
  readonly tunnels: readonly { readonly device: string; readonly family: 4 | 6; readonly mtu: number }[]
  /** Of pods, by CIDR of their pool. */
  readonly pools: readonly { readonly pool: string; readonly device?: string; readonly mtu: number }[]
}

export interface MtuParent {
  readonly family: 4 | 6
  /** The node's own address, without length. */
  readonly address: string
  /** What carries the address; absent: it is on no link. */
  readonly link?: string
  /** Of the link itself. */
  readonly linkMtu?: number
  /** What is reckoned with: the link's, or less by `dataplane.mtu`. */
  readonly mtu: number
}

/** Why packets to one address leave as they do. */
export interface RouteAnswer {
  readonly address: string
  /** The most specific prefix that the node knows for it, by whom, and how it leaves; absent if none does. */
  readonly prefix?: string
  readonly owner?: 'endpoint' | 'bgp' | 'block' | 'connected' | 'foreign'
  readonly entry?: FibEntry
  /** Whether the kernel holds just that. */
  readonly installed: boolean
  /** The BGP paths of the prefix, best first, each loser with its reason. */
  readonly paths: readonly PathView[]
  /** Sentences: what decides, what stands in the way, the next step. */
  readonly explanation: readonly string[]
}

/** This node's WireGuard devices, as the kernel has them. */
export interface WireguardView {
  readonly node: string
  /** Base64; absent: the node has no key. */
  readonly publicKey?: string
  readonly peers: readonly WireguardPeerView[]
}

export interface WireguardPeerView {
  readonly device: string
  /** Absent: a key of no node, which goes soon. */
  readonly node?: string
  readonly publicKey: string
  /** `10.0.2.11:51820` */
  readonly endpoint?: string
  readonly allowedIps: readonly string[]
  /** Seconds since both last agreed on session keys; absent: never. */
  readonly handshake?: number
  /** Octets. */
  readonly received: number
  readonly sent: number
}

export interface RotationAnswer {
  /** The new one. */
  readonly publicKey: string
}

export interface GuardAnswer {
  /** Sentences: what was held back and is in force now. */
  readonly accepted: readonly string[]
}

export interface Failure {
  readonly error: string
}

/** Path of each call -> its query and its answer. */
export interface Api {
  readonly '/v1/status': { readonly query: Record<string, never>; readonly answer: DaemonStatus }
  readonly '/v1/bgp/summary': { readonly query: Record<string, never>; readonly answer: BgpSummary }
  readonly '/v1/bgp/routes': { readonly query: RoutesQuery; readonly answer: BgpRoutes }
  readonly '/v1/ipam': { readonly query: Record<string, never>; readonly answer: IpamView }
  readonly '/v1/ipam/check': { readonly query: Record<string, never>; readonly answer: IpamCheckAnswer }
  /** The same, and puts right what is fixable. */
  readonly '/v1/ipam/fix': { readonly query: Record<string, never>; readonly answer: IpamCheckAnswer }
  readonly '/v1/ipam/release': { readonly query: { readonly address: string }; readonly answer: IpamRelease }
  /** Releases what no pod has any more, and gives empty blocks back. */
  readonly '/v1/ipam/gc': {
    readonly query: Record<string, never>
    /** `kept`: why empty blocks were not given back. */
    readonly answer: IpamRelease & { readonly blocks: readonly string[]; readonly kept?: string }
  }
  readonly '/v1/mtu': { readonly query: Record<string, never>; readonly answer: MtuView }
  /** Accepts what the mass-withdraw guard holds back. */
  readonly '/v1/guard/accept': { readonly query: Record<string, never>; readonly answer: GuardAnswer }
  readonly '/v1/wireguard': { readonly query: Record<string, never>; readonly answer: WireguardView }
  /** Makes a new WireGuard key. */
  readonly '/v1/wireguard/rotate': { readonly query: Record<string, never>; readonly answer: RotationAnswer }
  readonly '/v1/route': { readonly query: { readonly ip: string }; readonly answer: RouteAnswer }
}

export interface RoutesQuery {
  readonly family?: '4' | '6'
  /** One prefix, all its paths. */
  readonly prefix?: string
  /** What the peer sent (`received`) or was sent (`advertised`); without a peer: the Loc-RIB. */
  readonly peer?: string
  readonly table?: 'received' | 'advertised'
  readonly after?: string
}

export type Path = keyof Api

/** Calls that change something. */
const changing: ReadonlySet<string> = new Set<Path>([
  '/v1/guard/accept',
  '/v1/wireguard/rotate',
  '/v1/ipam/fix',
  '/v1/ipam/release',
  '/v1/ipam/gc',
])

export function methodOf(path: string): 'GET' | 'POST' {
  return changing.has(path) ? 'POST' : 'GET'
}

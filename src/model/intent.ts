// What the node shall do, worked out of the snapshot by plan. Types only.

import type { Tunnel, TunnelRule } from './tunnel.ts'
import type { TunnelUse } from './tunnel-use.ts'
import type { Origination, SpeakerConfig } from '../../bgp/types.ts'

export interface Intent {
  /** Absent: this node has no address or AS yet, so it cannot speak; `problems` says why. */
  readonly speaker: SpeakerConfig | undefined
  /** By name of the peer: where the key of its session is to be read. A peer that is here has no session without it. */
  readonly secrets?: ReadonlyMap<string, SecretReference>
  /** Own blocks and what else this node announces. */
  readonly originate: readonly Origination[]
  /** Own blocks: an address in them that no pod has is answered with "host unreachable" here, and never loops. */
  readonly unreachable: readonly string[]
  /** Pools, or blocks of them, whose packets leave encrypted or not at all: refused unless a more specific route leads there. */
  readonly sealed: readonly string[]
  /** What of the learned routes may enter the kernel. */
  readonly routes: RouteRules
  /** Devices that lead to other nodes through a network that does not know pods. */
  readonly tunnels: readonly Tunnel[]
  /** What this node shall say of them to the others. */
  readonly tunnelUse?: TunnelUse
  /** What a change under way waits for: sentences for `margayctl status`. */
  readonly waits: readonly string[]
  /** What the node's packet filter shall do; absent: nothing, there are no pools. */
  readonly filters?: FilterRules
  /** Sentences for `margayctl status`: what in the resources cannot be done here, and the next step. */
  readonly problems: readonly string[]
}

/** A file or a variable of the environment: one of the two. */
export interface SecretReference {
  readonly file?: string
  readonly env?: string
}

/** Learned routes of which more than `percent` are withdrawn at once stay in force for `seconds`. */
export interface WithdrawalHold {
  readonly percent: number
  readonly seconds: number
}

export interface RouteRules {
  /** Whether a default route learned by BGP may be installed. */
  readonly acceptDefault: boolean
  /** Whether a next hop that only a default route of the node reaches may be used. Default: no. */
  readonly resolveThroughDefault?: boolean
  /** Prefixes that are this node's own: a learned route for them, or inside them, is never installed. */
  readonly own: readonly string[]
  /** Ranges of pods: only a learned route inside one of them may also lie inside a subnet that the node is connected to. */
  readonly pools?: readonly string[]
  /** Preferred source addresses of learned routes. */
  readonly source4?: string
  readonly source6?: string
  /** Which of them go through a tunnel; one rule a pool. Default: none. */
  readonly tunnels?: readonly TunnelRule[]
  /** Absent: every withdrawal is obeyed at once. */
  readonly hold?: WithdrawalHold
}

/** Sorted lists of prefixes, in canonical text. */
export interface FilterRules {
  /** Pools with natOutgoing: what their pods send to the outside leaves under the node's address. */
  readonly masquerade: readonly string[]
  /** What pools with natOutgoing except: packets from `pools` to `destinations` keep their address. Pools with the same list are together. */
  readonly exclusions: readonly { readonly pools: readonly string[]; readonly destinations: readonly string[] }[]
  /** All pools, also disabled ones. What goes there keeps its address. */
  readonly pools: readonly string[]
  /** The nodes of the cluster, /32 and /128. What goes there keeps its address, too. */
  readonly nodes: readonly string[]
  /** Encapsulations in use: wrapped packets are taken from nodes only. */
  readonly tunnels: readonly Pick<Tunnel, 'kind' | 'family'>[]
}

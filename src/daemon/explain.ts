// "Why do packets to this address leave as they do?": the most specific prefix that anyone on this node knows for it, who owns it,
// what the kernel holds, and what stands in the way.

import type { PathView } from '../../bgp/types.ts'
import {
  type Address,
  bitsOf,
  contains,
  formatAddress,
  formatPrefix,
  hostPrefix,
  parsePrefix,
  type Prefix,
  prefixOf,
  specialRange,
} from '../../inet/index.ts'
import type { RouteAnswer } from '../api/contract.ts'
import type { FibUpdate } from '../fib/resolver.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { Facts, ForeignRoute } from '../model/facts.ts'
import type { FibEntry, FibResult } from '../model/fib.ts'

export interface ExplainPorts {
  readonly endpoints: readonly Endpoint[]
  readonly blocks: readonly string[]
  /** Pools of which nothing leaves in the open. */
  readonly sealed: readonly string[]
  readonly facts: Facts
  /** Verdicts on learned prefixes that hold the address, longest first. `held`: withdrawn, and kept in force by the guard. */
  readonly learned: readonly (FibUpdate & {
    readonly peer: string
    readonly held?: boolean
    /** It goes to a router as it is, though its pool's mode is Always. */
    readonly unwrapped?: boolean
  })[]
  /** Why the kernel does not hold what is wanted for a prefix. */
  readonly obstacle: (prefix: string) => FibResult | undefined
  readonly paths: (prefix: string) => readonly PathView[]
}

interface Candidate {
  readonly prefix: Prefix
  readonly text: string
  readonly owner: NonNullable<RouteAnswer['owner']>
  readonly entry?: FibEntry
  readonly say: string
  /** For one prefix the lower rank wins (design §2). */
  readonly rank: number
}

export function explain(address: Address, ports: ExplainPorts): RouteAnswer {
  const text = formatAddress(address)
  const candidates = [
    ...own(address, ports.facts),
    ...endpoints(text, address, ports),
    ...foreign(address, ports.facts),
    ...learned(ports),
    ...unreachable(address, ports.blocks, saysBlock),
    ...unreachable(address, ports.sealed, saysSealed),
  ]
  const [chosen, ...others] = candidates.toSorted((a, b) => b.prefix.length - a.prefix.length || a.rank - b.rank)
  const refused = [
    ...ports.learned
      .filter(verdict => !verdict.entry)
      .map(verdict => `${verdict.prefix} from ${verdict.peer} is not used: ${verdict.reason}.`),
    ...withoutBest(address, chosen?.prefix.length ?? -1, ports),
  ]
  if (!chosen) {
    const why = `Nothing on this node leads to ${text}: no pod, no block, no BGP route, no other route in the kernel. margayctl bgp summary tells whether the peers are up.`
    return { address: text, installed: false, paths: [], explanation: [...refused, why] }
  }
  const obstacle = isOurs(chosen) ? ports.obstacle(chosen.text) : undefined
  return {
    address: text,
    prefix: chosen.text,
    owner: chosen.owner,
    ...(chosen.entry && { entry: chosen.entry }),
    installed: obstacle === undefined,
    paths: chosen.owner === 'bgp' ? ports.paths(chosen.text) : [],
    explanation: [
      chosen.say,
      ...(obstacle?.text ? [obstacle.text] : []),
      ...refused,
      ...others.flatMap(other => {
        const line = `Less specific or less preferred: ${other.text} (${other.owner}).`
        const why = other.text === chosen.text && isOurs(other) ? ports.obstacle(other.text)?.text : undefined
        return why === undefined ? [line] : [line, why]
      }),
    ],
  }
}

/** Every prefix that holds the address, longest first, down to a length. */
export function prefixesAround(address: Address, shortest = 0): readonly string[] {
  const bits = bitsOf(address.family)
  return Array.from({ length: bits + 1 - shortest }, (_, i) => formatPrefix(prefixOf(address, bits - i)))
}

/** More specific prefixes of which BGP takes no path, and why: their next hops, mostly. */
function withoutBest(address: Address, chosen: number, { learned, paths }: ExplainPorts): readonly string[] {
  return prefixesAround(address, chosen + 1).flatMap(prefix => {
    const [path] = learned.some(verdict => verdict.prefix === prefix) ? [] : paths(prefix)
    if (!path || path.best || path.reason === undefined) return []
    const more = /next hop/.test(path.reason) ? ' (a default route does not count as a way to a next hop)' : ''
    return [`${prefix} from ${path.peer} is not used: ${path.reason}${more}.`]
  })
}

/** Routes of others are read from the kernel: they are there. */
function isOurs({ owner }: Candidate): boolean {
  return owner === 'endpoint' || owner === 'bgp' || owner === 'block'
}

/** What the kernel's own table (`ip route show table local`) delivers on the node itself, or sends to many: it is asked first. */
function own(address: Address, facts: Facts): Candidate[] {
  const prefix = hostPrefix(address)
  const text = formatAddress(address)
  const at = facts.addresses.find(({ cidr }) => cidr.split('/')[0] === text)
  if (at) {
    const say = `An address of this node itself, on ${at.link}: the kernel delivers it here.`
    return [{ prefix, text: formatPrefix(prefix), owner: 'connected', say, rank: -1 }]
  }
  const special = specialRange(address)
  if (special?.meaning !== 'loopback' && special?.meaning !== 'multicast') return []
  const say =
    special.meaning === 'loopback'
      ? 'Loopback: the kernel delivers it on this node.'
      : 'Multicast: it goes to the members of a group on a link, and no route of Margay or its peers leads there.'
  return [{ prefix: special.prefix, text: formatPrefix(special.prefix), owner: 'connected', say, rank: -1 }]
}

function endpoints(text: string, address: Address, ports: ExplainPorts): Candidate[] {
  return ports.endpoints
    .filter(endpoint => endpoint.addresses.includes(text))
    .map(endpoint => {
      const prefix = hostPrefix(address)
      const entry: FibEntry = {
        prefix: `${text}/${prefix.length}`,
        kind: 'unicast',
        nextHops: [{ device: endpoint.hostDevice }],
      }
      const name = endpoint.label ?? endpoint.containerId.slice(0, 13)
      return {
        prefix,
        text: entry.prefix,
        owner: 'endpoint',
        entry,
        say: `A pod of this node: ${name}, ${endpoint.ifName}.`,
        rank: 0,
      }
    })
}

function foreign(address: Address, facts: Facts): Candidate[] {
  return facts.foreignRoutes.flatMap(route => {
    const prefix = parsePrefix(route.prefix)
    return prefix && contains(prefix, address) ? [candidateOf(prefix, route)] : []
  })
}

function candidateOf(prefix: Prefix, route: ForeignRoute): Candidate {
  const entry: FibEntry | undefined = route.device
    ? {
        prefix: route.prefix,
        kind: 'unicast',
        nextHops: [{ device: route.device, ...(route.gateway && { gateway: route.gateway }) }],
      }
    : undefined
  const owner = route.connected ? 'connected' : 'foreign'
  const say = route.connected
    ? `Connected on ${route.device}.`
    : `A route of another owner (protocol ${route.protocol}), which Margay never touches.`
  return { prefix, text: route.prefix, owner, ...(entry && { entry }), say, rank: 1 }
}

function learned({ learned }: ExplainPorts): Candidate[] {
  return learned.flatMap(({ prefix: text, peer, entry, held, unwrapped }) => {
    const prefix = parsePrefix(text)
    const say = held
      ? `Learned by BGP from ${peer}, withdrawn since with most others, and so held in force: margayctl status says for how long, margayctl guard accept lets it go.`
      : `Learned by BGP, best from ${peer}.${unwrapped ? ' Its next hop is a router and no node of the cluster, so packets go there as they are, though the mode of the pool is Always.' : ''}`
    return prefix && entry ? [{ prefix, text, owner: 'bgp' as const, entry, say, rank: 2 }] : []
  })
}

const saysBlock =
  'In a block of this node, but no pod has the address: who sends there hears "host unreachable", and nothing loops.'
const saysSealed =
  'In a pool that WireGuard encrypts (wireguardMode: Always), and no way to its node is in force: who sends there hears "host unreachable", and nothing leaves in the open.'

function unreachable(address: Address, prefixes: readonly string[], say: string): Candidate[] {
  return prefixes.flatMap(text => {
    const prefix = parsePrefix(text)
    if (!prefix || !contains(prefix, address)) return []
    const entry: FibEntry = { prefix: text, kind: 'unreachable', nextHops: [] }
    return [{ prefix, text, owner: 'block' as const, entry, say, rank: 3 }]
  })
}

// Where Calico says what Margay can say, in another way: one function a kind, from Calico's spec to one that Margay's reader takes.

import { formatAddress, formatPrefix, parseAddress, parseInterfaceAddress, prefixOf } from '../../../inet/index.ts'

type Spec = Readonly<Record<string, unknown>>

export interface Rewritten {
  readonly spec: Spec
  /** Sentences. */
  readonly changed: readonly string[]
  /** Sentences. */
  readonly leftOut?: readonly string[]
  /** The object cannot be taken; one sentence. */
  readonly why?: string
}

/** Kinds without a rule stay as they are. */
export function rewrite(kind: string, name: string, spec: Spec): Rewritten {
  return Object.hasOwn(rules, kind) ? rules[kind](spec, name) : { spec, changed: [] }
}

const rules: Readonly<Record<string, (spec: Spec, name: string) => Rewritten>> = {
  IPPool: pool,
  Node: node,
  BGPPeer: peer,
  BGPConfiguration: configuration,
  IPReservation: reservation,
  IPAMConfiguration: ipam,
}

function pool(given: Spec): Rewritten {
  const changed: string[] = []
  const { ipip, 'nat-outgoing': nat, ...spec } = given as Record<string, unknown>
  const cidr = networkOf(spec['cidr'])
  if (cidr !== undefined && cidr !== spec['cidr']) {
    changed.push(`cidr: ${cidr}, which is the network that ${String(spec['cidr'])} lies in`)
    spec['cidr'] = cidr
  }
  if (nat !== undefined && spec['natOutgoing'] === undefined) {
    if (nat === true) changed.push('natOutgoing: true, which stood there under its old name nat-outgoing')
    spec['natOutgoing'] = nat
  }
  const old = ipip as { readonly enabled?: unknown; readonly mode?: string } | null | undefined
  if (old?.enabled !== undefined && typeof old.enabled !== 'boolean')
    return { spec, changed, why: `ipip.enabled is ${JSON.stringify(old.enabled)}, and neither true nor false` }
  if (old?.enabled === true && (spec['ipipMode'] ?? '') === '') {
    spec['ipipMode'] = old.mode === 'cross-subnet' ? 'CrossSubnet' : 'Always'
    changed.push(`ipipMode: ${String(spec['ipipMode'])}, which stood there in its old form ipip`)
  }
  // Written by Go, an empty word is the default.
  for (const field of ['ipipMode', 'vxlanMode', 'assignmentMode', 'nodeSelector', 'namespaceSelector'])
    if (spec[field] === '') delete spec[field]
  if (spec['blockSize'] === 0) delete spec['blockSize']
  const { allowedUses } = spec
  if (Array.isArray(allowedUses) && allowedUses.includes('LoadBalancer')) {
    const uses = allowedUses.filter(use => use !== 'LoadBalancer')
    if (uses.length === 0)
      return { spec, changed, why: 'it is for load balancers only, and Margay gives addresses to pods and tunnels' }
    changed.push(`allowedUses: ${uses.join(', ')}, as Margay gives no addresses to load balancers`)
    spec['allowedUses'] = uses
  }
  return { spec, changed }
}

function node(given: Spec): Rewritten {
  const changed: string[] = []
  const { wireguard, bgp: theirs, ...rest } = given as Record<string, unknown>
  const leftOut = wireguard === undefined ? [] : ["wireguard: Margay's nodes make keys and addresses of their own."]
  if (theirs === undefined || theirs === null) return { spec: rest, changed, leftOut }
  if (typeof theirs !== 'object' || Array.isArray(theirs)) return { spec: given, changed }
  const bgp: Record<string, unknown> = { ...theirs }
  for (const [field, length] of [
    ['ipv4Address', 32],
    ['ipv6Address', 128],
  ] as const) {
    const text = bgp[field]
    if (text === '') delete bgp[field]
    else if (typeof text === 'string' && !text.includes('/')) {
      bgp[field] = `${text}/${length}`
      changed.push(
        `bgp.${field}: ${text}/${length}, as Calico reads an address without the length of its subnet; with it, nodes of one subnet need no tunnel (CrossSubnet)`,
      )
    }
  }
  if (bgp['routeReflectorClusterID'] === '') delete bgp['routeReflectorClusterID']
  return { spec: { ...rest, bgp }, changed, leftOut }
}

function peer(given: Spec, name: string): Rewritten {
  const changed: string[] = []
  const { keepOriginalNextHop, password, ...spec } = given as Record<string, unknown>
  if (typeof spec['localWorkloadSelector'] === 'string' && spec['localWorkloadSelector'] !== '')
    return { spec, changed, why: 'it is a session with pods of the node (localWorkloadSelector), which Margay has not' }
  for (const field of ['node', 'nodeSelector', 'peerIP', 'peerSelector', 'sourceAddress', 'nextHopMode'])
    if (spec[field] === '') delete spec[field]
  if (spec['asNumber'] === 0) delete spec['asNumber']
  if (Array.isArray(spec['filters']) && spec['filters'].length === 0) delete spec['filters']
  if (keepOriginalNextHop === true && spec['nextHopMode'] === undefined) {
    spec['nextHopMode'] = 'Keep'
    changed.push('nextHopMode: Keep, which stood there in its old form keepOriginalNextHop')
  }
  const secret = (password as { readonly secretKeyRef?: { readonly name?: string; readonly key?: string } } | undefined)
    ?.secretKeyRef
  if (password !== undefined && password !== null && !secret)
    changed.push('no password, as password names no secret (secretKeyRef)')
  if (secret) {
    const parts = [secret.name ?? name, secret.key ?? 'password']
    const strange = parts.find(part => !/^[\w-][\w.-]*$/.test(part))
    if (strange !== undefined)
      return { spec, changed, why: `password.secretKeyRef: ${JSON.stringify(strange)} names no secret or key of one` }
    const file = `/etc/margay/bgp/${parts.join('/')}`
    spec['password'] = { file }
    changed.push(
      `password.file: ${file}, as Margay reads no Kubernetes secrets; put the key of secret ${secret.name ?? ''} there on each node, or the session stays down`,
    )
  }
  return { spec, changed }
}

function configuration(spec: Spec, name: string): Rewritten {
  const why =
    name === 'default'
      ? undefined
      : 'Margay has one BGPConfiguration, called default; what is meant for one node stands in its Node and its margayd.yaml'
  return { spec, changed: [], ...(why !== undefined && { why }) }
}

function reservation(spec: Spec): Rewritten {
  const { reservedCIDRs } = spec
  if (reservedCIDRs === undefined || reservedCIDRs === null)
    return { spec: { ...spec, reservedCIDRs: [] }, changed: [] }
  if (!Array.isArray(reservedCIDRs)) return { spec, changed: [] } // the reader refuses it
  const changed: string[] = []
  const cidrs = reservedCIDRs.map((text: unknown) => {
    const cidr = networkOf(text)
    if (cidr === undefined || cidr === text) return text
    changed.push(`reservedCIDRs: ${cidr} for ${String(text)}`)
    return cidr
  })
  return { spec: { ...spec, reservedCIDRs: cidrs }, changed }
}

/** Calico's own record says the same in other words (`strict_affinity`). */
function ipam(given: Spec): Rewritten {
  const changed: string[] = []
  const { strict_affinity, auto_allocate_blocks, ...rest } = given as Record<string, unknown>
  const spec = rest
  const isStrict = strict_affinity ?? spec['strictAffinity']
  const takesBlocks = auto_allocate_blocks ?? spec['autoAllocateBlocks']
  for (const field of ['strictAffinity', 'autoAllocateBlocks']) delete spec[field]
  if (isStrict !== true)
    changed.push(
      'a node gives only addresses of its own blocks (strictAffinity): Margay never borrows from another node',
    )
  if (takesBlocks === false)
    changed.push('a node takes another block when its own are full (autoAllocateBlocks): maxBlocksPerHost limits that')
  // Calico's 0 is its default, 20, which is ours, too; our 0 is no limit.
  if (spec['maxBlocksPerHost'] === 0) delete spec['maxBlocksPerHost']
  return { spec, changed }
}

/** `10.1.2.3/16` as its network, `10.1.2.3` as a /32; undefined: it is neither. */
function networkOf(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined
  const parsed = parseInterfaceAddress(text)
  if (text.includes('/')) return parsed && formatPrefix(prefixOf(parsed.address, parsed.length))
  const address = parseAddress(text)
  return address && `${formatAddress(address)}/${address.family === 4 ? 32 : 128}`
}

// How the mode of a live pool changes and no packet is lost: which way to each node now, what to tell the others, what may go.
//
// Every node keeps one record (TunnelUse). A node sends to another by a device only if the other's record accepts it and its own,
// as it came back from the datastore, says that it sends by it. A node gives up a device only after its own record, as it came back,
// does not accept it any more and no other record sends by it. All see one order of the records' changes, so of a node that begins and
// one that gives up at the same time one sees the other's word in time. Who has no record says nothing: it is sent to as the pools say.
// By WireGuard it sends only when the two have met (daemon/handshakes.ts), as long as there is a way that the other took before. That
// way is for those nodes alone to which the pool's packets left without encryption when the mode changed, and until they are met for the
// first time: the record names them (`open`). A node that is met once, or comes later, is never sent to in the open, whatever becomes of its key.
//
// A node that is off goes on "sending" by its last word. So an old device may stay for long; it takes packets and does no harm.

import { isEncrypting, type TunnelState } from '../model/tunnel.ts'
import type { TunnelUse } from '../model/tunnel-use.ts'
import { perObject } from './memo.ts'
import { waitText } from './tunnel-sentences.ts'

/** The records of the cluster as this node sees them. */
export interface UseView {
  readonly own: TunnelUse | undefined
  /** By name of the node; also of nodes that are no more. */
  readonly uses: ReadonlyMap<string, TunnelUse>
  /** The nodes of the cluster, this one too. */
  readonly nodes: readonly { readonly name: string }[]
  readonly states: ReadonlyMap<string, TunnelState>
}

/** What a route to a node is to do: be wrapped by the device, or by no one. */
export type Way = { readonly device: string } | 'bare'

export function viewOf(
  name: string,
  nodes: UseView['nodes'],
  uses: readonly TunnelUse[],
  { states, pending }: { readonly states: UseView['states']; readonly pending?: TunnelUse },
): UseView {
  const byNode = byName(uses)
  const isNode = nodes.some(node => node.name === name)
  return { own: isNode ? inForce(byNode.get(name), pending) : undefined, uses: byNode, nodes, states }
}

const byName = perObject((uses: readonly TunnelUse[]) => new Map(uses.map(use => [use.node, use])))

/** Of a record that was written and has not come back, others may know or not: what counts is right in both cases. */
function inForce(stored: TunnelUse | undefined, pending: TunnelUse | undefined): TunnelUse | undefined {
  if (!stored || !pending) return stored
  const accepts = [...new Set([...stored.accepts, ...pending.accepts])]
  return {
    node: stored.node,
    accepts,
    leaving: stored.leaving.filter(device => pending.leaving.includes(device) && !accepts.includes(device)),
    sends: stored.sends.filter(device => pending.sends.includes(device)),
    bare: pending.bare,
    open: Object.fromEntries(
      Object.entries(stored.open).map(([pool, nodes]) => [pool, common(nodes, pending.open[pool])]),
    ),
  }
}

function common(some: Open, others: Open = []): Open {
  if (some === 'all') return others
  return others === 'all' ? some : some.filter(node => others.includes(node))
}

type Open = TunnelUse['open'][string]

/** Whether what the pool sends to that node may leave without encryption for now. */
function mayBeOpen(own: TunnelUse | undefined, pool: string, remote: string): boolean {
  const nodes = own?.open[pool] ?? []
  return nodes === 'all' || setOf(nodes).has(remote)
}

export interface Wish {
  readonly pool: string
  readonly device: string
  readonly remote: string
  /** The other node is in this one's own subnet. */
  readonly isNear: boolean
}

/** The way that the pool asks for as soon as the other end takes it; until then one that it took before. */
export function wayTo(view: UseView, { pool, device, remote, isNear }: Wish, alike: readonly string[]): Way {
  const { own, uses } = view
  const theirs = uses.get(remote)
  const isAgreed = !own || !theirs || (own.sends.includes(device) && theirs.accepts.includes(device))
  if (!isFaulty(view, device) && isAgreed && hasMet(view, device, remote)) return { device }
  if (isEncrypting(device) && !mayBeOpen(own, pool, remote)) return { device }
  // To a node of the own subnet no other way was taken before, though tunnels to nodes beyond may stand.
  const bare = own?.bare[pool]
  if (bare === 'subnet' && isNear) return 'bare'
  const before = own?.sends.find(
    way => way !== device && alike.includes(way) && theirs?.accepts.includes(way) && isThere(view, way),
  )
  if (before !== undefined) return { device: before }
  return bare === 'all' ? 'bare' : { device }
}

export interface UsePlan {
  readonly use: TunnelUse
  /** Devices that no pool asks for and that stay for now. */
  readonly kept: readonly string[]
  /** Why: a sentence each. */
  readonly waits: readonly string[]
}

/** `wanted`: devices that pools ask for. `used`: devices by which this plan sends. */
export function planUse(
  node: string,
  view: UseView,
  wanted: readonly string[],
  used: readonly string[],
  { bare, open }: Pick<TunnelUse, 'bare' | 'open'>,
): UsePlan {
  const { own, uses, nodes } = view
  const accepts = wanted.filter(device => isThere(view, device))
  const leaving: string[] = []
  const waits: string[] = []
  for (const device of new Set([...(own?.accepts ?? []), ...(own?.leaving ?? [])])) {
    if (wanted.includes(device)) continue
    const senders = nodes
      .map(({ name }) => name)
      .filter(name => name !== node && uses.get(name)?.sends.includes(device))
    const isNeeded = senders.length > 0 || used.includes(device)
    if (isNeeded && isThere(view, device)) accepts.push(device)
    else if (isNeeded || own?.accepts.includes(device)) leaving.push(device)
    if (isNeeded) waits.push(waitText(device, senders))
  }
  const sends = [...wanted.filter(device => !isFaulty(view, device)), ...used]
  return {
    use: { node, accepts: sorted(accepts), leaving: sorted(leaving), sends: sorted(sends), bare, open },
    kept: sorted([...accepts, ...leaving].filter(device => !wanted.includes(device))),
    waits,
  }
}

function isFaulty({ states }: UseView, device: string): boolean {
  return states.get(device)?.fault !== undefined
}

/** Also true of a device that needs no keys. */
export function hasMet({ states }: UseView, device: string, remote: string): boolean {
  const met = states.get(device)?.met
  return met === undefined || setOf(met).has(remote)
}

const setOf = perObject((names: readonly string[]): ReadonlySet<string> => new Set(names))

function isThere(view: UseView, device: string): boolean {
  return view.states.has(device) && !isFaulty(view, device)
}

function sorted(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted()
}

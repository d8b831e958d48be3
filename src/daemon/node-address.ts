// The node's own address: found by the method that the daemon's file names, written into the Node, which everything else reads.
//
// So there is one place where the address is: an operator who writes another valid one there moves the node. `margayctl apply` of
// a file without an address keeps what was found. A Node without `bgp` is left alone. An address that went from its link is missed
// for a moment before another takes its place, because a program that renews an address may well remove it first.

import { type Datastore, StoreError } from '../datastore/contract.ts'
import type { AddressFact, Facts } from '../model/facts.ts'
import { type AddressMethod, parseAddressMethod } from '../plan/address-method.ts'
import { candidateText, peersOf, selectAddress, subnetOf } from '../plan/node-address.ts'
import type { Snapshot } from '../plan/snapshot.ts'
import { parseResource } from '../resources/index.ts'
import { Later } from './later.ts'
import type { Log } from './log.ts'

export interface NodeAddressPorts {
  readonly node: string
  /** As in the daemon's file. */
  readonly methods: { readonly ipv4?: string; readonly ipv6?: string } | undefined
  readonly datastore: Pick<Datastore, 'get' | 'update'>
  readonly log: Log
  readonly snapshot: () => Snapshot
  readonly facts: () => Facts
  /** It is time to look again. */
  readonly onDue: () => void
}

/** An address that is gone may come back: it is waited for so long. Milliseconds. */
const missFor = 1_000
/** After a datastore that could not be written. Milliseconds. */
const retryAfter = 2_000

type Field = 'ipv4Address' | 'ipv6Address'

interface Method {
  readonly family: 4 | 6
  readonly field: Field
  readonly text: string
  readonly method: AddressMethod
}

export class NodeAddress {
  readonly #ports: NodeAddressPorts
  readonly #methods: readonly Method[]
  readonly #missedSince = new Map<Field, number>()
  #problems: readonly string[] = []
  #unwritten: string | undefined
  #writing = false
  readonly #later: Later

  constructor(ports: NodeAddressPorts) {
    this.#ports = ports
    this.#later = new Later(ports.onDue)
    this.#methods = ([4, 6] as const).flatMap(family => {
      const text = family === 4 ? ports.methods?.ipv4 : ports.methods?.ipv6
      const parsed = text === undefined ? undefined : parseAddressMethod(text, family)
      return text !== undefined && parsed?.ok ? [{ family, field: fieldOf(family), text, method: parsed.method }] : []
    })
  }

  /** Sentences for what was not found, and for what could not be written. */
  get problems(): readonly string[] {
    return this.#unwritten === undefined ? this.#problems : [...this.#problems, this.#unwritten]
  }

  /** Compares the Node with the links; `canWrite`: the datastore is in sync. */
  look(canWrite: boolean): void {
    if (this.#methods.length === 0) return
    const bgp = this.#ports.snapshot().nodes.find(({ metadata }) => metadata.name === this.#ports.node)?.spec.bgp
    const problems: string[] = []
    const changes: [Field, string][] = []
    for (const method of bgp ? this.#methods : []) {
      const own = bgp?.[method.field]
      if (this.#isMissed(method.field, own)) continue
      const { facts, snapshot, node } = this.#ports
      const peers = method.method.by === 'route-to-peers' ? peersOf(node, snapshot(), method.family) : []
      const found = selectAddress({ ...method, facts: facts(), peers, ...(own !== undefined && { own }) })
      if (!found.ok) problems.push(refusal(node, method, found))
      else if (found.cidr !== own) changes.push([method.field, found.cidr])
    }
    this.#problems = problems
    if (changes.length > 0 && canWrite) void this.#write(changes)
  }

  close(): void {
    this.#later.cancel()
  }

  /** It has just gone from its link. */
  #isMissed(field: Field, own: string | undefined): boolean {
    const host = own?.split('/')[0]
    const isThere = this.#ports.facts().addresses.some(({ cidr }: AddressFact) => cidr.split('/')[0] === host)
    if (own === undefined || isThere) {
      this.#missedSince.delete(field)
      return false
    }
    const since = this.#missedSince.get(field) ?? performance.now()
    this.#missedSince.set(field, since)
    const left = since + missFor - performance.now()
    if (left <= 0) return false
    this.#later.in(left)
    return true
  }

  async #write(changes: readonly (readonly [Field, string])[]): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    const { node, datastore, log } = this.#ports
    try {
      const entry = await datastore.get('Node', node)
      const parsed = entry && parseResource(entry.value)
      if (!entry || !parsed?.ok || parsed.resource.kind !== 'Node' || !parsed.resource.spec.bgp) return
      const { resource } = parsed
      if (changes.every(([field, value]) => resource.spec.bgp?.[field] === value)) return
      const bgp = { ...resource.spec.bgp, ...Object.fromEntries(changes) }
      await datastore.update('Node', node, { ...resource, spec: { ...resource.spec, bgp } }, entry.version)
      for (const [field, value] of changes)
        log.info('own address found', { field, value, before: resource.spec.bgp?.[field] ?? 'none' })
      this.#unwritten = undefined
    } catch (error) {
      // Whoever was faster is heard of, and then it is looked at again.
      if (error instanceof StoreError && error.code === 'conflict') return
      const text = error instanceof Error ? error.message : String(error)
      this.#unwritten = `node "${node}": its address ${changes.map(([, value]) => value).join(' and ')} is not in its Node yet: ${text}`
      this.#later.in(retryAfter)
    } finally {
      this.#writing = false
    }
  }
}

function fieldOf(family: 4 | 6): Field {
  return family === 4 ? 'ipv4Address' : 'ipv6Address'
}

function refusal(
  node: string,
  { family, field, text }: Method,
  { reason, candidates }: Extract<ReturnType<typeof selectAddress>, { ok: false }>,
): string {
  const [first] = candidates
  const list = candidates.length > 0 ? `the node has ${candidateText(candidates)}` : 'the node has none at all'
  const next = first
    ? `name one of them in its Node (bgp.${field}: ${first.cidr}), or write node.address.ipv${family}: cidr=${subnetOf(first)} into margayd.yaml`
    : 'give a link an address'
  return `node "${node}": its IPv${family} address is not found by ${text}: ${reason}; ${list}; ${next}`
}

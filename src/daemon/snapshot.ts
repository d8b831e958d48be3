// From the cluster's records to what plan looks at. A kind that did not change keeps its array, so that plan can tell.

import { type Handover, handoverKind, readHandover } from '../model/handover.ts'
import { readTunnelUse, type TunnelUse, tunnelUseKind } from '../model/tunnel-use.ts'
import { contains, parsePrefix } from '../../inet/index.ts'
import { perObject } from '../plan/memo.ts'
import type { OwnedBlock, Snapshot } from '../plan/snapshot.ts'
import { emptySnapshot } from '../plan/snapshot.ts'
import { isObjectName, type Kind, nameOf, readStored, type ResourceOf } from '../resources/index.ts'
import type { Entry } from '../datastore/contract.ts'
import { isStrange, strangeRecord } from '../ipam/known-kinds.ts'
import { isBlock, misnamedBlock } from '../ipam/records.ts'
import { requestKind } from '../ipam/requests.ts'

/** Kind of the records by which nodes own blocks. */
export const blockKind = 'Block'
const fields = {
  Node: 'nodes',
  IPPool: 'pools',
  IPReservation: 'reservations',
  IPAMConfiguration: 'ipamConfigurations',
  BGPConfiguration: 'bgpConfigurations',
  BGPPeer: 'bgpPeers',
} as const

/** Kinds that are no resources, and what they become: of a record that did not change the same object. */
const records = new Map<string, (entries: readonly Entry[]) => Partial<Snapshot>>([
  [blockKind, entries => ({ blocks: entries.flatMap(blockOf) })],
  [tunnelUseKind, entries => ({ tunnelUses: entries.flatMap(useOf) })],
  [handoverKind, entries => ({ handovers: entries.flatMap(handoverOf) })],
])

/** What the daemon follows: all that a snapshot is made of, and what is asked of this node's blocks. */
export const watchedKinds: readonly string[] = [...Object.keys(fields), ...records.keys(), requestKind]

/**
 * Blocks that records name as this node's and that the node itself does not hold: a checkpoint may be older than the loss. One of
 * which it holds parts is being split: it is announced until its record goes, for those of the parts may not have been seen yet.
 */
export function unconfirmed(blocks: readonly OwnedBlock[], node: string, held: readonly string[]): readonly string[] {
  const parts = held.flatMap(cidr => parsePrefix(cidr) ?? [])
  const isHeld = ({ cidr }: OwnedBlock): boolean => {
    const block = parsePrefix(cidr)
    return block !== undefined && parts.some(part => contains(block, part))
  }
  return blocks.filter(block => block.node === node && !isHeld(block)).map(({ cidr }) => cidr)
}

/** A record that cannot be read. */
interface Unread {
  /** A sentence. */
  readonly text: string
  /** Nothing of it is in force: it has never been read either. */
  readonly isLeftOut: boolean
}

/** Why a record is none of its kind, with the next step, without a full stop; undefined: it is one. */
export function unsound(entry: Entry): string | undefined {
  const { kind, name, value } = entry
  if (records.has(kind)) return isStrange(entry) ? strangeRecord(entry) : undefined
  const stored = isKind(kind) ? readStored(kind, { name, value }) : undefined
  return stored && !stored.ok ? stored.why : undefined
}

export class SnapshotBuilder {
  #snapshot: Snapshot = emptySnapshot
  /** What was made of records: one that did not change stays the same object, and so does its resource, of which plan can tell. */
  readonly #resources = new WeakMap<Entry, unknown>()
  /** By kind. */
  readonly #unread = new Map<string, readonly Unread[]>()

  get current(): Snapshot {
    return this.#snapshot
  }

  get problems(): readonly string[] {
    return [...this.#unread.values()].flat().map(({ text }) => text)
  }

  /** Why it is not known which addresses pods shall have, as a sentence: a pool is left out. Undefined: it is known. */
  get obstacle(): string | undefined {
    return this.#unread.get('IPPool')?.find(({ isLeftOut }) => isLeftOut)?.text
  }

  /** Reads the kinds named anew out of `list`. */
  update(kinds: Iterable<string>, list: (kind: string) => readonly Entry[]): Snapshot {
    for (const kind of kinds) {
      const read = records.get(kind)
      if (read) {
        const entries = list(kind)
        this.#snapshot = { ...this.#snapshot, ...read(entries) }
        this.#unread.set(
          kind,
          entries.flatMap(entry => {
            const { name, unreadable } = entry
            const isKept = Object.values(read([entry])).some(values => values.length > 0)
            if (isKept) return unreadable === undefined ? [] : [asBefore(nameOf(kind, name), unreadable)]
            return [leftOut(nameOf(kind, name), unreadable ?? strangeRecord(entry))]
          }),
        )
      } else if (isKind(kind)) this.#snapshot = { ...this.#snapshot, [fields[kind]]: this.#read(kind, list(kind)) }
    }
    return this.#snapshot
  }

  #read<K extends Kind>(kind: K, entries: readonly Entry[]): readonly ResourceOf<K>[] {
    const unread: Unread[] = []
    const resources = entries.flatMap(entry => {
      // One that the store cannot read has the value that was read last, if any.
      const known = this.#resources.get(entry) as ResourceOf<K> | undefined
      const stored = known
        ? ({ ok: true, resource: known } as const)
        : readStored(kind, { name: entry.name, value: entry.value })
      if (stored.ok) {
        this.#resources.set(entry, stored.resource)
        if (entry.unreadable !== undefined) unread.push(asBefore(nameOf(kind, entry.name), entry.unreadable))
        return [stored.resource]
      }
      unread.push(leftOut(stored.object, entry.unreadable ?? stored.why))
      return []
    })
    this.#unread.set(kind, unread)
    return resources
  }
}

function asBefore(object: string, why: string): Unread {
  const text = `${object} in the datastore cannot be read, and stays in force as it was read last: ${why}`
  return { text, isLeftOut: false }
}

function leftOut(object: string, why: string): Unread {
  return { text: `${object} in the datastore cannot be read and is left out: ${why}`, isLeftOut: true }
}

function isKind(kind: string): kind is Kind {
  return Object.hasOwn(fields, kind)
}

const blockOf = perObject((entry: Entry): readonly OwnedBlock[] => {
  if (entry.unreadable === undefined && misnamedBlock(entry)) return []
  const { cidr, node } = (entry.value ?? {}) as Partial<Record<keyof OwnedBlock, unknown>>
  const prefix = typeof cidr === 'string' ? parsePrefix(cidr) : undefined
  return prefix && isBlock(prefix) && isObjectName(node) ? [{ cidr: String(cidr), node }] : []
})

const useOf = perObject((entry: Entry): readonly TunnelUse[] => {
  const use = readTunnelUse(entry.name, entry.value)
  return use ? [use] : []
})

const handoverOf = perObject((entry: Entry): readonly Handover[] => {
  const handover = readHandover(entry.name, entry.value)
  return handover ? [handover] : []
})

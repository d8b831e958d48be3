// Whether the datastore's records of blocks and addresses agree with each other, for the whole cluster. Read once, without a lock:
// what a node changes meanwhile may show as a finding that the next look does not have.

import { comparePrefixes, contains, overlaps, parseAddress, parsePrefix, type Prefix } from '../../inet/index.ts'
import { type Datastore, type Entry, StoreError } from '../datastore/contract.ts'
import { strangeRecord, unknownKinds, unknownText } from './known-kinds.ts'
import { readStored } from '../resources/index.ts'
import { allEntries, type ClaimedBlock } from './claims.ts'
import { outsideName, podOf } from './outside.ts'
import { holds } from './pools.ts'
import { firstPutBack, notedIn, notedText, putBack } from './misassigned.ts'
import { strangeEntries, whyStrange } from './strange.ts'
import {
  type AddressRow,
  blockKind,
  blockName,
  blockOfEntry,
  copyKind,
  nodeOfCopy,
  prefixOfName,
  readCopy,
} from './records.ts'

export interface ClusterFinding {
  readonly kind: 'duplicate' | 'dead-node' | 'no-pool' | 'no-block' | 'orphan-copy' | 'unreadable' | 'unknown-kind'
  /** A block, an address, or the kind of records. */
  readonly object: string
  /** Name of the node that it is about. */
  readonly node?: string
  /** What is wrong, and the next step. */
  readonly text: string
  /**
   * Puts it right; false: somebody has changed it since. Fails with a StoreError where the datastore does not let it. Absent: it is not
   * provable from here that nobody needs it.
   */
  readonly repair?: () => Promise<boolean>
}

/** Fails with a StoreError. */
export async function checkCluster(datastore: Datastore): Promise<readonly ClusterFinding[]> {
  const [entries, spoiledBlocks] = apart(await allEntries(datastore, blockKind), blockOfEntry)
  const [copies, spoiledCopies] = apart(await allEntries(datastore, copyKind), ({ value }) => nodeOfCopy(value))
  const nodes = new Set((await allEntries(datastore, 'Node')).map(({ name }) => name))
  const [poolEntries, spoiledPools] = apart(await allEntries(datastore, 'IPPool'), rangeOf)
  const pools = poolEntries.flatMap(entry => rangeOf(entry) ?? [])
  const blocks = entries.flatMap(entry => blockOfEntry(entry) ?? [])
  return [
    ...[...spoiledPools, ...spoiledBlocks, ...spoiledCopies].map(unreadable),
    ...copies.flatMap(strange),
    ...(await ofUnknownKinds(datastore)),
    ...overlapping(blocks),
    ...blocks.filter(({ node }) => !nodes.has(node)).map(block => withoutNode(block, copies)),
    // It may be a pool that cannot be read.
    ...(spoiledPools.length > 0
      ? []
      : blocks.filter(({ prefix }) => !pools.some(pool => contains(pool, prefix))).map(withoutPool)),
    // Whose block it is cannot be read.
    ...copies
      .filter(copy => !spoiledBlocks.some(({ name }) => name === copy.name))
      .flatMap(copy => orphan(datastore, copy, blocks, nodes)),
    ...ofAddresses(copies, blocks, nodes),
  ]
}

/** Those that can be read, and the others. */
function apart(
  entries: readonly Entry[],
  read: (entry: Entry) => unknown,
): readonly [readonly Entry[], readonly Entry[]] {
  const isSpoiled = (entry: Entry): boolean => entry.unreadable !== undefined || read(entry) === undefined
  return [entries.filter(entry => !isSpoiled(entry)), entries.filter(isSpoiled)]
}

function rangeOf(entry: Entry): Prefix | undefined {
  const stored = readStored('IPPool', entry)
  return stored.ok ? parsePrefix(stored.resource.spec.cidr) : undefined
}

/** A newer Margay may have written it, so nothing of it is put right from here. */
function unreadable(entry: Entry): ClusterFinding {
  const { kind, name } = entry
  const reason = entry.unreadable ?? whyUnread(entry)
  return { kind: 'unreadable', object: name, text: `this ${kind} record cannot be read: ${reason}.` }
}

/** Of a copy that can be read but for some entries. */
function strange({ name, value }: Entry): readonly ClusterFinding[] {
  const node = nodeOfCopy(value) ?? ''
  const entries = strangeEntries(value, node)
  if (entries.length === 0) return []
  const text = `of this ${copyKind} record not all can be read: ${whyStrange({ name, entries }, node)}.`
  return [{ kind: 'unreadable', object: name, node, text }]
}

function whyUnread(entry: Entry): string {
  const stored = entry.kind === 'IPPool' && readStored(entry.kind, entry)
  return stored && !stored.ok ? stored.why : strangeRecord(entry)
}

async function ofUnknownKinds(datastore: Datastore): Promise<readonly ClusterFinding[]> {
  const kinds = await unknownKinds(datastore)
  return kinds.map(unknown => ({ kind: 'unknown-kind', object: unknown.kind, text: unknownText(unknown) }))
}

function overlapping(blocks: readonly ClaimedBlock[]): readonly ClusterFinding[] {
  const findings: ClusterFinding[] = []
  let wide: ClaimedBlock | undefined
  for (const block of blocks.toSorted((a, b) => comparePrefixes(a.prefix, b.prefix))) {
    if (!wide || !overlaps(wide.prefix, block.prefix)) {
      wide = block
      continue
    }
    // A split that is under way; the node takes the records away that are too many.
    if (wide.node === block.node) continue
    findings.push({
      kind: 'duplicate',
      object: block.cidr,
      node: block.node,
      text: `node "${block.node}" has it, and node "${wide.node}" has ${wide.cidr}, which overlaps it. Drain one of the two nodes, and delete its pods that have addresses there.`,
    })
  }
  return findings
}

function withoutNode({ cidr, node, prefix }: ClaimedBlock, copies: readonly Entry[]): ClusterFinding {
  const found = { kind: 'dead-node', object: cidr, node } as const
  const noted = notedIn(copies, prefix, node)
  const [first] = noted
  if (first)
    return {
      ...found,
      text: `it belongs to node "${node}", for which there is no Node, and ${notedText(noted)} are in it. If somebody changed its record by hand, put that back, and those pods keep their addresses: ${putBack(cidr, first.node)}. A decommission of node "${node}" would free the block under them.`,
    }
  return {
    ...found,
    text: `it belongs to node "${node}", for which there is no Node. If that machine is off for good: margayctl node decommission ${node}; else apply its Node.`,
  }
}

function withoutPool({ cidr, node, pool }: ClaimedBlock): ClusterFinding {
  return {
    kind: 'no-pool',
    object: cidr,
    node,
    text: `its pool "${pool}" is gone. Pods that are there keep their addresses, and it goes when they have ended; or apply the pool again.`,
  }
}

/** A copy that no node keeps any more. */
function orphan(
  datastore: Datastore,
  { name, value, version }: Entry,
  blocks: readonly ClaimedBlock[],
  nodes: ReadonlySet<string>,
): readonly ClusterFinding[] {
  const node = nodeOfCopy(value)
  if (node !== undefined && name === outsideName(node)) return [] // its addresses are findings
  if (node !== undefined && blocks.some(block => blockName(block.prefix) === name && block.node === node)) return []
  const text = `addresses are noted for node "${node}" in a block that is not its own`
  // A node that is there holds the block still, or sweeps it.
  if (node !== undefined && nodes.has(node))
    return [
      {
        kind: 'orphan-copy',
        object: name,
        node,
        text: `${text}. Its margayd deletes the note within the hour; at once: margayctl ipam check --fix on that node.`,
      },
    ]
  return [
    {
      kind: 'orphan-copy',
      object: name,
      node,
      text: `${text}, and there is no such Node. The note can be deleted.`,
      repair: async () => {
        try {
          await datastore.delete(copyKind, name, version)
          return true
        } catch (error) {
          if (error instanceof StoreError && ['conflict', 'not-found'].includes(error.code)) return false
          throw error
        }
      },
    },
  ]
}

interface Use {
  readonly address: string
  readonly node: string
  readonly row: AddressRow
  /** In no block of the node. */
  readonly isOutside: boolean
  /** Noted for a block that it does not lie in. */
  readonly isMisplaced: boolean
}

/** Two nodes that note one address, and those that have one in no block of theirs. */
function ofAddresses(
  copies: readonly Entry[],
  blocks: readonly ClaimedBlock[],
  nodes: ReadonlySet<string>,
): readonly ClusterFinding[] {
  const uses = copies.flatMap(({ name, value }): Use[] => {
    const node = nodeOfCopy(value)
    if (node === undefined) return []
    const isOutside = name === outsideName(node)
    const prefix = isOutside ? undefined : prefixOfName(name)
    return readCopy(value, node).map(([address, row]) => {
      const isMisplaced = prefix !== undefined && !holds(prefix, address)
      return { address, node, row, isOutside, isMisplaced }
    })
  })
  return [...Map.groupBy(uses, ({ address }) => address)].flatMap(([address, of]): ClusterFinding[] => {
    const on = new Set(of.map(({ node }) => node))
    const [outside] = of.filter(({ isOutside }) => isOutside)
    if (on.size < 2 && !outside) return []
    const parsed = parseAddress(address)
    const block = parsed && blocks.find(({ prefix }) => contains(prefix, parsed))
    const pods = [...new Set(of.map(({ node, row }) => `${podOf(row)} on node "${node}"`))].join(' and ')
    const whose = block && `its block ${block.cidr} is node "${block.node}"'s`
    const wrong = of.find(({ isMisplaced }) => isMisplaced)
    if (on.size > 1 && wrong) {
      const text = `${pods} are noted with it, but for node "${wrong.node}" in a block that it does not lie in: somebody changed that note. Delete no pod; margayctl ipam check --fix on node "${wrong.node}" writes it anew.`
      return [{ kind: 'duplicate', object: address, text }]
    }
    if (on.size > 1) {
      const losers = of
        .filter(({ node }) => node !== block?.node)
        .map(({ node, row }) => `${podOf(row)} on node "${node}"`)
      const text =
        block && on.has(block.node)
          ? `${pods} have it, and ${whose}. Delete ${losers.join(' and ')}.`
          : `${pods} have it. Delete one of these pods.`
      return [{ kind: 'duplicate', object: address, text }]
    }
    const why = whose ?? 'no record says whose its block is, and whoever claims it has it'
    const { node } = outside
    const otherwise = block && !nodes.has(block.node) ? `${firstPutBack(block.cidr, node)} ` : ''
    return block?.node === node
      ? []
      : [
          {
            kind: 'no-block',
            object: address,
            node,
            text: `${pods} has it, and ${why}: another pod may be given it at any time, unless that node knows of this one. ${otherwise}Delete that pod; if the machine is off for good: margayctl node decommission ${node}.`,
          },
        ]
  })
}

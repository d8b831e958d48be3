// Whether the datastore's records of blocks and addresses agree with each other, for the whole cluster. Read once, without a lock:
// what a node changes meanwhile may show as a finding that the next look does not have.

import { comparePrefixes, contains, overlaps, parsePrefix } from '../../inet/index.ts'
import { type Datastore, type Entry, StoreError } from '../datastore/contract.ts'
import { allEntries, type ClaimedBlock } from './claims.ts'
import { blockKind, blockName, copyKind, readBlock, readCopy } from './records.ts'

export interface ClusterFinding {
  readonly kind: 'duplicate' | 'dead-node' | 'no-pool' | 'orphan-copy' | 'unreadable'
  /** A block or an address. */
  readonly object: string
  /** Name of the node that it is about. */
  readonly node?: string
  /** What is wrong, and the next step. */
  readonly text: string
  /** Puts it right. Absent: it is not provable from here that nobody needs it. */
  readonly repair?: () => Promise<boolean>
}

/** Fails with a StoreError. */
export async function checkCluster(datastore: Datastore): Promise<readonly ClusterFinding[]> {
  const entries = await allEntries(datastore, blockKind)
  const copies = await allEntries(datastore, copyKind)
  const nodes = new Set((await allEntries(datastore, 'Node')).map(({ name }) => name))
  const pools = (await allEntries(datastore, 'IPPool')).flatMap(({ value }) => {
    const { cidr } = (value as { readonly spec?: { readonly cidr?: string } }).spec ?? {}
    return (cidr !== undefined && parsePrefix(cidr)) || []
  })
  const blocks = entries.flatMap(({ value }) => readBlock(value) ?? [])
  return [
    ...entries.filter(({ value }) => !readBlock(value)).map(unreadable),
    ...overlapping(blocks),
    ...blocks.filter(({ node }) => !nodes.has(node)).map(withoutNode),
    ...blocks.filter(({ prefix }) => !pools.some(pool => contains(pool, prefix))).map(withoutPool),
    ...copies.flatMap(copy => orphan(datastore, copy, blocks, nodes)),
    ...twice(copies),
  ]
}

function unreadable({ name }: Entry): ClusterFinding {
  return {
    kind: 'unreadable',
    object: name,
    text: 'this Block record cannot be read, so nobody can own the block. If no program but Margay writes there, delete the record.',
  }
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

function withoutNode({ cidr, node }: ClaimedBlock): ClusterFinding {
  return {
    kind: 'dead-node',
    object: cidr,
    node,
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
  const node = nodeOf(value)
  if (node !== undefined && blocks.some(block => blockName(block.prefix) === name && block.node === node)) return []
  const text = `addresses are noted for node "${node}" in a block that is not its own`
  // A node that is there holds the block still, or writes its copies anew.
  if (node !== undefined && nodes.has(node))
    return [
      {
        kind: 'orphan-copy',
        object: name,
        node,
        text: `${text}. Its margayd clears that up: see margayctl status there.`,
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
          if (error instanceof StoreError && error.code !== 'unreachable') return false
          throw error
        }
      },
    },
  ]
}

function twice(copies: readonly Entry[]): readonly ClusterFinding[] {
  const uses = copies.flatMap(({ value }) => {
    const node = nodeOf(value)
    return node === undefined ? [] : readCopy(value, node).map(([address, row]) => ({ address, node, row }))
  })
  return [...Map.groupBy(uses, ({ address }) => address)].flatMap(([address, of]) => {
    const on = [...new Set(of.map(({ node }) => node))]
    if (on.length < 2) return []
    const pods = of.map(({ node, row }) => `${row.label ?? row.containerId} on node "${node}"`).join(' and ')
    return [{ kind: 'duplicate', object: address, text: `${pods} have it. Delete one of these pods.` } as const]
  })
}

function nodeOf(value: unknown): string | undefined {
  const node = (value as { readonly node?: unknown } | null)?.node
  return typeof node === 'string' ? node : undefined
}

// What the tests of IPAM share: pools, owners, a node with a disk that can die.

import type { NodeStore, NodeStoreChange } from '../datastore/node-store.ts'
import { type MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import { type IPPoolResource, type IPPoolSpec, parseResource } from '../resources/index.ts'
import { Ipam } from './ipam.ts'
import type { Owner } from './records.ts'
import { ipamSettings, type IpamSettings } from './settings.ts'

export function pool(name: string, cidr: string, spec: Partial<IPPoolSpec> = {}): IPPoolResource {
  const parsed = parseResource({
    apiVersion: 'margay.io/v1',
    kind: 'IPPool',
    metadata: { name },
    spec: { cidr, ...spec },
  })
  if (!parsed.ok || parsed.resource.kind !== 'IPPool') throw new Error(JSON.stringify(parsed))
  return parsed.resource
}

/** Small blocks and few, so that nodes are at the datastore all the time, and split blocks when they have none. */
export const hammerPools = [
  pool('v4', '10.42.0.0/26', { blockSize: 29 }),
  pool('v6', 'fd00:42::/120', { blockSize: 126 }),
]

export function owner(id: string | number): Owner {
  return { network: 'pods', containerId: `c${id}`, ifName: 'eth0' }
}

export interface TestNode {
  readonly ipam: Ipam
  readonly disk: MortalDisk
  /** Changed by a test, seen by the Ipam. */
  readonly pools: IPPoolResource[]
  readonly labels: Record<string, string>
  /** Changed by a test, seen by the Ipam. */
  readonly settings: { -readonly [K in keyof IpamSettings]: IpamSettings[K] }
  /** Moves the node's clock, milliseconds. It also goes a second each time it is read. */
  pass: (ms: number) => void
  /** A new Ipam on what the disk holds. */
  restart: () => TestNode
}

export function testNode(
  name: string,
  datastore: MemoryDatastore,
  pools: IPPoolResource[],
  tables?: MortalDisk['tables'],
  clock = { ms: Date.UTC(2026, 0, 1) },
  patience?: number,
): TestNode {
  const disk = new MortalDisk(tables)
  const labels: Record<string, string> = {}
  const settings = { ...ipamSettings([], []), maxBlocks: 0 }
  const ipam = new Ipam({
    node: name,
    datastore,
    nodeStore: disk,
    pools: () => pools,
    labels: () => labels,
    settings: () => settings,
    now: () => new Date((clock.ms += 1_000)),
    patience,
  })
  const pass = (ms: number): void => void (clock.ms += ms)
  return {
    ipam,
    disk,
    pools,
    labels,
    settings,
    pass,
    restart: () => testNode(name, datastore, pools, disk.tables, clock, patience),
  }
}

/** A node's store that dies at a commit of choice, before or after it has reached the disk. */
export class MortalDisk extends MemoryNodeStore implements NodeStore {
  #countdown: number | undefined
  #after = false

  /** Dies at the n-th commit from now (from 0); `after`: that one is on the disk. It stays dead. */
  die(commit: number, after: boolean): void {
    this.#countdown = commit
    this.#after = after
  }

  /** The disk takes commits again. */
  mend(): void {
    this.#countdown = undefined
  }

  override async commit(changes: readonly NodeStoreChange[]): Promise<void> {
    if (this.#countdown === undefined) return super.commit(changes)
    const last = this.#countdown-- === 0
    if (this.#countdown >= 0 || (last && this.#after)) await super.commit(changes)
    if (this.#countdown < 0) throw new Error('the disk is dead')
  }
}

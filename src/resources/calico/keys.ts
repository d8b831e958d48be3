// What an etcd of Calico holds, by its keys.
//
//     /calico/resources/v3/projectcalico.org/PLURAL/[NAMESPACE/]NAME   a resource, JSON
//     /calico/ipam/v2/config                                           how addresses are given, JSON in words of its own
//     /calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26                a block that a node of Calico has
//     /calico/ipam/v2/host/NODE/ipv4/block/10.0.0.0-26                 the same, from the moment on at which the node asks for it

import { formatPrefix, parsePrefix } from '../../../inet/index.ts'
import type { CalicoObject } from './convert.ts'

/** Where all of it is. */
export const calicoPrefix = '/calico/'

export interface CalicoStore {
  readonly objects: readonly CalicoObject[]
  /** CIDRs of the blocks that Calico's nodes have. */
  readonly blocks: readonly string[]
  /** Keys of resources that are no JSON or no objects, and of blocks that cannot be told. */
  readonly unreadable: readonly string[]
  /** Keys that are no resources, by what they are. */
  readonly others: Readonly<Record<string, readonly string[]>>
}

const resource = /^\/calico\/resources\/v3\/projectcalico\.org\/([^/]+)\/(?:[^/]+\/)?([^/]+)$/
const block = /^\/calico\/ipam\/v2\/(?:assignment|host\/[^/]+)\/ipv[46]\/block\/([^/]+)$/
/** What Calico's own IPAM goes by; resources that say the same are for people. */
export const ipamConfigKey = '/calico/ipam/v2/config'

/** What keys are, by how they begin. */
const states: readonly (readonly [start: string, is: string])[] = [
  ['/calico/ipam/v2/assignment/', 'blocks'],
  ['/calico/ipam/v2/host/', 'affinities of blocks'],
  ['/calico/ipam/v2/handle/', 'handles'],
  ['/calico/felix/', 'state of its agents'],
  ['/calico/bgp/', 'state of its speakers'],
]

export function readCalicoKeys(keys: readonly { readonly key: string; readonly value: string }[]): CalicoStore {
  const objects: CalicoObject[] = []
  const blocks: string[] = []
  const unreadable: string[] = []
  const others: Record<string, string[]> = {}
  for (const { key, value } of keys) {
    const [, , name] = resource.exec(key) ?? []
    const [, ofBlock] = block.exec(key) ?? []
    if (name === undefined && key !== ipamConfigKey) {
      const [, is = 'other keys'] = states.find(([start]) => key.startsWith(start)) ?? []
      ;(others[is] ??= []).push(key)
      const found = ofBlock === undefined ? [] : cidrsOf(ofBlock, value)
      if (ofBlock !== undefined && found.length === 0) unreadable.push(key)
      blocks.push(...found)
      continue
    }
    const read = objectOf(value)
    if (!read) unreadable.push(key)
    else if (name === undefined)
      objects.push({ kind: 'IPAMConfiguration', metadata: { name: 'default' }, spec: read, key })
    else if (typeof read['kind'] !== 'string' || !isMapOrNothing(read['spec'])) unreadable.push(key)
    else objects.push({ kind: read['kind'], metadata: metadataOf(read, name), spec: mapOf(read['spec']), key })
  }
  return { objects, blocks: [...new Set(blocks)], unreadable, others }
}

/** What a block's key says, `10.0.0.0-26`, and what its record does: which of them Calico goes by does not matter here. */
function cidrsOf(name: string, value: string): readonly string[] {
  const written = objectOf(value)?.['cidr']
  return [name.replace(/-(\d+)$/, '/$1'), written].flatMap(text => {
    const prefix = typeof text === 'string' ? parsePrefix(text) : undefined
    return prefix ? formatPrefix(prefix) : []
  })
}

function metadataOf(read: Record<string, unknown>, name: string): CalicoObject['metadata'] {
  // All else is Kubernetes' bookkeeping. Written by Go, a map that is empty may be null.
  const { name: written = name, labels, annotations, deletionTimestamp } = mapOf(read['metadata'])
  return {
    ...(labels !== null && labels !== undefined && { labels }),
    ...(annotations !== null && annotations !== undefined && { annotations }),
    ...(typeof deletionTimestamp === 'string' && { deletionTimestamp }),
    name: typeof written === 'string' ? written : name,
  }
}

function isMapOrNothing(value: unknown): boolean {
  return value === undefined || (typeof value === 'object' && !Array.isArray(value))
}

function mapOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

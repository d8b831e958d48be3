// What an etcd of Calico holds, by its keys.
//
//     /calico/resources/v3/projectcalico.org/PLURAL/[NAMESPACE/]NAME   a resource, JSON
//     /calico/ipam/v2/config                                           how addresses are given, JSON in words of its own
//     /calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26                a block that a node of Calico has

import type { CalicoObject } from './convert.ts'

/** Where all of it is. */
export const calicoPrefix = '/calico/'

export interface CalicoStore {
  readonly objects: readonly CalicoObject[]
  /** CIDRs of the blocks that Calico's nodes have. */
  readonly blocks: readonly string[]
  /** Keys of resources that are no JSON or no objects. */
  readonly unreadable: readonly string[]
}

const resource = /^\/calico\/resources\/v3\/projectcalico\.org\/([^/]+)\/(?:[^/]+\/)?([^/]+)$/
const block = /^\/calico\/ipam\/v2\/assignment\/ipv[46]\/block\/(.+)-(\d+)$/
const ipamConfig = '/calico/ipam/v2/config'

/** Keys of other kinds (status, handles, affinities) are read over. */
export function readCalicoKeys(keys: readonly { readonly key: string; readonly value: string }[]): CalicoStore {
  const objects: CalicoObject[] = []
  const blocks: string[] = []
  const unreadable: string[] = []
  let config: CalicoObject | undefined
  for (const { key, value } of keys) {
    const [, , name] = resource.exec(key) ?? []
    const [, address, length] = block.exec(key) ?? []
    if (address !== undefined) blocks.push(`${address}/${length}`)
    if (name === undefined && key !== ipamConfig) continue
    const read = objectOf(value)
    if (!read) unreadable.push(key)
    else if (name === undefined) config = { kind: 'IPAMConfiguration', metadata: { name: 'default' }, spec: read }
    else if (typeof read['kind'] !== 'string') unreadable.push(key)
    else objects.push({ kind: read['kind'], metadata: metadataOf(read, name), spec: mapOf(read['spec']) })
  }
  const isThere = objects.some(({ kind }) => kind === 'IPAMConfiguration' || kind === 'IPAMConfig')
  return { objects: config && !isThere ? [...objects, config] : objects, blocks, unreadable }
}

function metadataOf(read: Record<string, unknown>, name: string): CalicoObject['metadata'] {
  const { labels, annotations, ...metadata } = mapOf(read['metadata'])
  const written = typeof metadata['name'] === 'string' ? metadata['name'] : name
  // Written by Go, a map that is empty may be null.
  return {
    ...metadata,
    ...(labels !== null && { labels }),
    ...(annotations !== null && { annotations }),
    name: written,
  }
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

// Resources as the datastore holds them, for the verbs that read and write them.

import { isDeepStrictEqual } from 'node:util'
import type { Datastore, Entry } from '../datastore/contract.ts'
import { allEntries } from '../ipam/claims.ts'
import { type AnyResource, firstOf, type Kind, keyOf, readStored } from '../resources/index.ts'
import { CommandError, shownLines } from './output.ts'

/** A record that is no resource of its kind. */
export interface Unread {
  /** `node "n1"` */
  readonly object: string
  /** Reason and next step. */
  readonly why: string
  /** At which it may be written over; absent: what Margay did not write in a layout that this one knows stays as it is. */
  readonly version?: Entry['version']
  /** A newer Margay can read it, so it is in force elsewhere. */
  readonly isNewer: boolean
}

export interface StoredResources {
  /** With their versions. */
  readonly resources: readonly AnyResource[]
  readonly unread: readonly Unread[]
}

/** Every resource of the kinds. */
export async function readAll(store: Datastore, of: readonly Kind[]): Promise<StoredResources> {
  const [resources, unread]: [AnyResource[], Unread[]] = [[], []]
  for (const kind of of)
    for (const entry of await allEntries(store, kind)) {
      const stored = readStored(kind, entry)
      if (stored.ok) resources.push(withVersion(stored.resource, entry))
      else {
        const { object, why } = stored
        const version = entry.unreadable === undefined ? entry.version : undefined
        unread.push({ object, why, version, isNewer: entry.newer !== undefined })
      }
    }
  return { resources, unread }
}

/** Throws `CommandError` if the record is no resource of its kind. */
export function resourceOf(kind: Kind, entry: Entry): AnyResource {
  const stored = readStored(kind, entry)
  if (!stored.ok) throw new CommandError(1, unreadText(stored))
  return withVersion(stored.resource, entry)
}

/** `node "n1" in the datastore cannot be read: …` */
export function unreadText({ object, why }: Pick<Unread, 'object' | 'why'>): string {
  return `${object} in the datastore cannot be read: ${why}`
}

/** One a line. */
export function unreadTexts(unread: readonly Unread[]): string {
  return firstOf(unread.map(unreadText), shownLines, '\n')
}

function withVersion(resource: AnyResource, { version }: Entry): AnyResource {
  return { ...resource, metadata: { ...resource.metadata, resourceVersion: version } }
}

/**
 * A file that leaves out what the daemon of a node has written into it does not take it away: the key of WireGuard, and the address that was
 * found: a node that loses its address for a moment loses its sessions.
 */
function withWritten(resource: AnyResource, before: AnyResource | undefined): AnyResource {
  if (resource.kind !== 'Node' || before?.kind !== 'Node') return resource
  const { wireguard, bgp } = before.spec
  const { ipv4Address, ipv6Address } = bgp ?? {}
  const found = { ...(ipv4Address !== undefined && { ipv4Address }), ...(ipv6Address !== undefined && { ipv6Address }) }
  const spec = {
    ...(wireguard && { wireguard }),
    ...resource.spec,
    ...(resource.spec.bgp && { bgp: { ...found, ...resource.spec.bgp } }),
  }
  return { ...resource, spec }
}

/** What writing the resource over what is there would do. */
export type Change =
  | { readonly do: 'create'; readonly value: unknown }
  | { readonly do: 'update'; readonly value: unknown; readonly version: Entry['version'] }
  | { readonly do: 'nothing' }

/**
 * `spoiled`: there is a record of that name that is no such resource, at this version. Throws `CommandError` if the resource says that it
 * was read at another version.
 */
export function changeOf(resource: AnyResource, before: AnyResource | undefined, spoiled?: Entry['version']): Change {
  const { resourceVersion: read, ...metadata } = resource.metadata
  const value = { ...withWritten(resource, before), metadata }
  if (!before) return spoiled === undefined ? { do: 'create', value } : { do: 'update', value, version: spoiled }
  const { resourceVersion: stored, ...metadataBefore } = before.metadata
  if (read !== undefined && read !== stored)
    throw new CommandError(
      1,
      `${keyOf(resource)} was changed since version ${read} was read (it is ${stored} now): get it again and repeat the change`,
    )
  if (isDeepStrictEqual(value, { ...before, metadata: metadataBefore })) return { do: 'nothing' }
  return { do: 'update', value, version: stored as Entry['version'] }
}

/** Puts the change into the datastore, and says in a word what became of the resource. */
export async function put(
  store: Datastore,
  { kind, metadata: { name } }: AnyResource,
  change: Change,
): Promise<'created' | 'configured' | 'unchanged'> {
  if (change.do === 'nothing') return 'unchanged'
  if (change.do === 'create') {
    await store.create(kind, name, change.value)
    return 'created'
  }
  await store.update(kind, name, change.value, change.version)
  return 'configured'
}

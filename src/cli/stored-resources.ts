// Resources as the datastore holds them, for the verbs that read and write them.

import { isDeepStrictEqual } from 'node:util'
import type { Datastore, Entry } from '../datastore/contract.ts'
import { type AnyResource, formatProblem, type Kind, parseResource } from '../resources/index.ts'
import { CommandError } from './output.ts'

/** Every resource of the kind, with its version. Throws `CommandError` for one that cannot be read. */
export async function listAll(store: Datastore, kind: Kind): Promise<AnyResource[]> {
  const found: AnyResource[] = []
  let next: string | undefined
  do {
    const page = await store.list(kind, { next })
    found.push(...page.entries.map(resourceOf))
    next = page.next
  } while (next !== undefined)
  return found
}

export function resourceOf(entry: Entry): AnyResource {
  const parsed = parseResource(entry.value)
  if (!parsed.ok)
    throw new CommandError(
      1,
      `the datastore holds what this margayctl cannot read:\n${parsed.problems.map(formatProblem).join('\n')}`,
    )
  const { resource } = parsed
  return { ...resource, metadata: { ...resource.metadata, resourceVersion: entry.version } }
}

/** `ippool "default"` */
export function keyOf({ kind, metadata }: AnyResource): string {
  return `${kind.toLowerCase()} "${metadata.name}"`
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

/** Throws `CommandError` if the resource says that it was read at another version. */
export function changeOf(resource: AnyResource, before: AnyResource | undefined): Change {
  const { resourceVersion: read, ...metadata } = resource.metadata
  const value = { ...withWritten(resource, before), metadata }
  if (!before) return { do: 'create', value }
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

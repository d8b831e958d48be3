// A record of the datastore as the resource that it should be, or why it is none: every reader of records says it in these words.

import { isObjectName } from './fields.ts'
import type { AnyResource, Kind, ResourceOf } from './kinds/index.ts'
import { parseResource } from './parse.ts'
import { nameOf, printable } from './problem.ts'

/** What a datastore tells of one record. */
export interface StoredRecord {
  readonly name: string
  readonly value: unknown
  /** Why the store itself cannot read the record, with the next step. */
  readonly unreadable?: string
}

export type Stored<K extends Kind> =
  | { readonly ok: true; readonly resource: ResourceOf<K> & AnyResource }
  /** `why`: reason and next step, without the object. */
  | { readonly ok: false; readonly object: string; readonly why: string }

/** Reads the record that is kept under this kind and its name. */
export function readStored<K extends Kind>(kind: K, { name, value, unreadable }: StoredRecord): Stored<K> {
  const object = nameOf(kind, name)
  if (unreadable !== undefined) return { ok: false, object, why: unreadable }
  const parsed = parseResource(value)
  const isNamed = parsed.ok && parsed.resource.metadata.name === name
  if (parsed.ok && isNamed && isOf(kind, parsed.resource)) return { ok: true, resource: parsed.resource }
  const what = parsed.ok
    ? isOf(kind, parsed.resource)
      ? `its metadata.name is ${JSON.stringify(printable(parsed.resource.metadata.name))}, so nobody would find it under the name that is shown`
      : `it says it is a ${parsed.resource.kind}`
    : parsed.problems.map(problem => printable(problem.what)).join('; ')
  const word = /^[\w.-]+$/.test(name) ? name : `'${printable(name)}'`
  // What was read of it last is in force, and a node without its Node has no session.
  const otherwise =
    kind === 'Node'
      ? `, if the machine is gone for good, margayctl node decommission ${word}`
      : ` delete it: margayctl delete ${kind.toLowerCase()} ${word}`
  // Nobody is called so, and nothing can be applied under that name.
  const next = isObjectName(name)
    ? `apply it anew, or${otherwise}`
    : `and no ${kind} can have the name that it is kept under. Delete the record: margayctl datastore delete ${kind} ${word}`
  return { ok: false, object, why: `${what}; ${next}` }
}

function isOf<K extends Kind>(kind: K, resource: AnyResource): resource is ResourceOf<K> & AnyResource {
  return resource.kind === kind
}

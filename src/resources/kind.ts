// What a kind of resource is: a name, the schema of its spec, and what it takes and refuses. One file in kinds/ per kind;
// the table in index.ts is the only list.

import type * as v from 'valibot'

export const apiVersion = 'margay.io/v1'
/** Calico's; files that say so are taken as they are. */
export const calicoApiVersion = 'projectcalico.org/v3'

export interface Metadata {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** The datastore's version of the object as it was read; a writer that sends it back writes only over that version. */
  readonly resourceVersion?: string
}

export interface Resource<K extends string, Spec> {
  readonly apiVersion: typeof apiVersion
  readonly kind: K
  readonly metadata: Metadata
  readonly spec: Spec
}

/** The fields of a spec; unknown fields are refused, and every field carries its description (`described`). */
export type SpecSchema = v.GenericSchema & { readonly entries: v.ObjectEntries }

export interface KindDefinition<K extends string = string, S extends SpecSchema = SpecSchema> {
  readonly kind: K
  readonly plural: string
  /** What else `margayctl get` understands. */
  readonly short: readonly string[]
  /** One sentence for the documentation. */
  readonly summary: string
  readonly spec: S
  /** Fields of Calico's kind that Margay does not have, by name within `spec` (`bgp.ipv4IPIPTunnelAddr`). */
  readonly foreign: Readonly<Record<string, ForeignField>>
  /** The only name that an object of the kind may have. */
  readonly onlyName?: string
  /** A complete example, YAML. */
  readonly example: string
}

/** A field that Calico has and Margay has not. */
export interface ForeignField {
  /** Why not; one sentence. */
  readonly why: string
  /** The next step; one sentence. Default: remove it. */
  readonly fix?: string
  /** Values that say what Margay does anyway: taken and dropped. */
  readonly same?: (value: unknown) => boolean
}

/** Keeps the literal types of a definition. */
export function defineKind<const K extends string, S extends SpecSchema>(
  definition: KindDefinition<K, S>,
): KindDefinition<K, S> {
  return definition
}

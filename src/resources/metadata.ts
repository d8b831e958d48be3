// What every object carries beside its spec: name, labels, annotations, version.

import * as v from 'valibot'
import { line, objectName, only, stringMap } from './fields.ts'
import { described } from './schema.ts'

/** Fields that a store writes and nobody sets; read over in what was exported from one. */
const written = [
  'creationTimestamp',
  'deletionTimestamp',
  'generation',
  'managedFields',
  'selfLink',
  'uid',
  'ownerReferences',
]

const plain = v.strictObject(entries(objectName()))

function entries<Name extends v.GenericSchema<unknown, string>>(name: Name) {
  return {
    name: described(name, 'Unique within its kind.'),
    labels: v.optional(described(stringMap('labels'), 'What selectors look at.'), {}),
    annotations: v.optional(described(stringMap('annotations'), 'For people and other programs.'), {}),
    resourceVersion: v.optional(
      described(line(), 'The version that was read; a change is refused if there is a newer one.'),
    ),
  }
}

/** The schema of an object's metadata; `onlyName`: the kind has one object, of that name. */
export function metadataSchema(onlyName: string | undefined) {
  if (onlyName === undefined) return plain
  const why = `There is one object of this kind, called ${onlyName}.`
  return v.strictObject(entries(only(onlyName, why, `Write name: ${onlyName}.`)))
}

/** Metadata without what a store wrote. `foreign`: the store was not ours, so its version means nothing either. */
export function withoutWritten(metadata: unknown, foreign: boolean): unknown {
  if (metadata === undefined) return {}
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return metadata
  const dropped = foreign ? [...written, 'resourceVersion'] : written
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !dropped.includes(key)))
}

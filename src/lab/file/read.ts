// Reads a lab file: the first YAML document is the lab, the others are resources.
//
// Everything that is wrong is told with file, line and column. The resources are not judged here: they are handed to `margayctl
// apply` with the lab's own document blanked out, so that its refusals point at the lines of this very file.

import type { Document } from 'yaml'
import type { Place, Problem } from '../../resources/problem.ts'
import { readSettings } from '../../resources/settings.ts'
import { type LabFile, labSchema } from './schema.ts'

/** A resource of the file, not yet validated. */
export interface RawResource {
  readonly kind: string
  readonly name: string
  readonly spec: Readonly<Record<string, unknown>>
}

export interface ReadLab {
  readonly lab: LabFile
  /** Where each part of the lab's document stands. */
  readonly placeOf: (path: readonly (string | number)[]) => Place
  readonly resources: readonly RawResource[]
  /** The file's text with everything but the resources blanked out, line for line. */
  readonly resourceText: string
}

export type Reading =
  { readonly ok: true; readonly value: ReadLab } | { readonly ok: false; readonly problems: readonly Problem[] }

/** `file` is the name to show. */
export function readLab(text: string, file: string): Reading {
  if (/^\s*(#.*\s*)*$/.test(text)) return { ok: false, problems: [emptyFile(file)] }
  const [, name] = /^name:\s*([-\w]+)/m.exec(text) ?? []
  const read = readSettings(labSchema, text, {
    file,
    owner: 'a lab',
    object: name === undefined ? 'lab' : `lab "${name}"`,
  })
  if (!read.ok) return read
  const others = read.others.filter(document => document.contents !== null)
  const from = others.length > 0 ? read.end : text.length
  return {
    ok: true,
    value: {
      lab: read.value,
      placeOf: read.placeOf,
      resources: others.map(rawResource),
      resourceText: text.slice(0, from).replaceAll(/[^\n]/g, '') + text.slice(from),
    },
  }
}

const emptyFile = (file: string): Problem => ({
  object: 'lab',
  path: [],
  what: 'the file describes no lab',
  why: 'Its first YAML document has to be a mapping with name, subnets, and routers, nodes or outside hosts.',
  fix: 'Begin with one of configs/labs/*.yaml.',
  place: { file, line: 1, column: 1 },
})

function rawResource(document: Document.Parsed): RawResource {
  const value: unknown = document.toJS()
  const resource = (value ?? {}) as { kind?: unknown; metadata?: { name?: unknown }; spec?: Record<string, unknown> }
  return {
    kind: typeof resource.kind === 'string' ? resource.kind : '',
    name: typeof resource.metadata?.name === 'string' ? resource.metadata.name : '',
    spec: resource.spec ?? {},
  }
}

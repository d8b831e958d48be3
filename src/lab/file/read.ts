// Reads a lab file: the first YAML document is the lab, the others are resources.
//
// Everything that is wrong is told with file, line and column. The resources are not judged here: they are handed to `margayctl
// apply` with the lab's own document blanked out, so that its refusals point at the lines of this very file.

import * as v from 'valibot'
import { type Document, isCollection, isMap, isScalar, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { fieldName, type Place, type Problem, show } from '../../resources/problem.ts'
import { refusalIn } from '../../resources/schema.ts'
import { nearest } from '../../resources/suggest.ts'
import { type LabFile, labSchema } from './schema.ts'

type Path = readonly (string | number)[]

/** Where each part of the lab's document stands. */
export interface Places {
  /** The value's place, or the nearest place around it that exists. */
  readonly at: (path: Path) => Place
  /** The key's. */
  readonly ofKey: (path: Path) => Place
}

/** A resource of the file, not yet validated. */
export interface RawResource {
  readonly kind: string
  readonly name: string
  readonly spec: Readonly<Record<string, unknown>>
}

export interface ReadLab {
  readonly lab: LabFile
  readonly places: Places
  readonly resources: readonly RawResource[]
  /** The file's text with everything but the resources blanked out, line for line. */
  readonly resourceText: string
}

export type Reading =
  { readonly ok: true; readonly value: ReadLab } | { readonly ok: false; readonly problems: readonly Problem[] }

/** `file` is the name to show. */
export function readLab(text: string, file: string): Reading {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
  if ('empty' in documents || !isMap(documents[0].contents)) return bad([emptyFile(file)])
  const syntax = documents.flatMap(document => document.errors)
  if (syntax.length > 0)
    return bad(
      syntax.map(error => {
        const { line, col } = lines.linePos(error.pos[0])
        return {
          object: 'lab',
          path: [],
          what: 'the file is not YAML',
          why: sentence(error.message),
          fix: 'Correct the line.',
          place: { file, line, column: col },
        }
      }),
    )

  const places = placesIn(documents[0], lines, file)
  const parsed = v.safeParse(labSchema, documents[0].toJS())
  const object = objectOf(documents[0])
  if (!parsed.success) {
    const problems = withoutEchoes(parsed.issues.map(issue => problemOf(issue, object, places)))
    return bad(problems.toSorted((a, b) => (a.place?.line ?? 0) - (b.place?.line ?? 0)))
  }
  const others = documents.slice(1).filter(document => document.contents !== null)
  const from = others.length > 0 ? startOfSecond(documents) : text.length
  return {
    ok: true,
    value: {
      lab: parsed.output,
      places,
      resources: others.map(document => rawResource(document.toJS())),
      resourceText: text.slice(0, from).replaceAll(/[^\n]/g, '') + text.slice(from),
    },
  }
}

const bad = (problems: readonly Problem[]): Reading => ({ ok: false, problems })

const sentence = (text: string): string => `${text.split('\n')[0].replace(/[.:]$/, '')}.`

/** A mistyped key is one mistake, not two: that the right one is missing need not be said. */
function withoutEchoes(problems: readonly Problem[]): readonly Problem[] {
  const meant = new Set(
    problems.flatMap(
      ({ path, fix }) =>
        /^Did you mean (.*)\?$/
          .exec(fix)
          ?.slice(1)
          .map(key => [...path.slice(0, -1), key].join('.')) ?? [],
    ),
  )
  return problems.filter(({ path, what }) => !what.endsWith('is missing') || !meant.has(path.join('.')))
}

const emptyFile = (file: string): Problem => ({
  object: 'lab',
  path: [],
  what: 'the file describes no lab',
  why: 'Its first YAML document has to be a mapping with name, subnets, and routers, nodes or outside hosts.',
  fix: 'Begin with one of configs/labs/*.yaml.',
  place: { file, line: 1, column: 1 },
})

/** Offset at which the documents after the first begin: the end of the first one's content. */
const startOfSecond = (documents: readonly Document.Parsed[]): number => documents[0].range[1]

function rawResource(value: unknown): RawResource {
  const resource = (value ?? {}) as { kind?: unknown; metadata?: { name?: unknown }; spec?: Record<string, unknown> }
  return {
    kind: typeof resource.kind === 'string' ? resource.kind : '',
    name: typeof resource.metadata?.name === 'string' ? resource.metadata.name : '',
    spec: resource.spec ?? {},
  }
}

function objectOf(document: Document.Parsed): string {
  const name: unknown = document.get('name')
  return typeof name === 'string' ? `lab "${name}"` : 'lab'
}

function placesIn(document: Document.Parsed, lines: LineCounter, file: string): Places {
  const placeOf = (node: unknown): Place => {
    const { line, col } = lines.linePos((node as Node | null)?.range?.[0] ?? 0)
    return { file, line, column: col }
  }
  const find = (path: Path): unknown => {
    let found: unknown = document.contents
    for (const key of path) {
      const next: unknown = isCollection(found) ? found.get(key, true) : undefined
      if (next === undefined) break
      found = next
    }
    return found
  }
  return {
    at: path => placeOf(find(path)),
    ofKey: path => {
      const map = find(path.slice(0, -1))
      const pair = isMap(map) ? map.items.find(item => isScalar(item.key) && item.key.value === path.at(-1)) : undefined
      return placeOf(pair?.key ?? map)
    },
  }
}

function problemOf(issue: v.BaseIssue<unknown>, object: string, places: Places): Problem {
  const path = (issue.path ?? []).map(item => item.key as string | number)
  const field = fieldName(path)
  const place = places.at(path)
  const own = refusalIn(issue.message)
  if (own) return { object, path, what: `${field} ${show(issue.input)} ${own.what}`, why: own.why, fix: own.fix, place }
  if (issue.type === 'strict_object' && issue.expected === 'never')
    return { object, path, ...unknownKey(path), place: places.ofKey(path) }
  if (issue.type === 'strict_object' && issue.received === 'undefined')
    return {
      object,
      path,
      what: `${field} is missing`,
      why: `${path.length > 1 ? `Each of ${fieldName(path.slice(0, 1))}` : 'A lab'} needs it.`,
      fix: `Add ${String(path.at(-1))}.`,
      place,
    }
  if (issue.type === 'min_length')
    return { object, path, what: `${field} is empty`, why: 'The lab cannot do without.', fix: 'Add one.', place }
  return {
    object,
    path,
    what: `${field} ${show(issue.input)} is not ${expected(issue.expected)}`,
    why: 'The lab cannot be built from it.',
    fix: `Write ${expected(issue.expected)}.`,
    place,
  }
}

function unknownKey(path: Path): { what: string; why: string; fix: string } {
  const key = String(path.at(-1))
  const known = keysAt(path.slice(0, -1))
  const near = nearest(key, known)
  return {
    what: `${fieldName(path)} is not a key of a lab file`,
    why: `${path.length > 1 ? 'This part' : 'A lab'} has ${known.join(', ')}.`,
    fix: near ? `Did you mean ${near}?` : 'Remove it.',
  }
}

/** The keys that the schema knows at a path. */
function keysAt(path: Path): readonly string[] {
  let schema: unknown = labSchema
  const unwrap = (s: unknown): unknown => {
    let inner = s as { type?: string; wrapped?: unknown; pipe?: readonly unknown[]; options?: readonly unknown[] }
    while (inner.type === 'optional') inner = inner.wrapped as typeof inner
    return inner
  }
  for (const key of path) {
    const at = unwrap(schema) as { entries?: Record<string, unknown>; item?: unknown }
    schema = typeof key === 'number' ? at.item : at.entries?.[key]
    if (schema === undefined) return []
  }
  return Object.keys((unwrap(schema) as { entries?: Record<string, unknown> }).entries ?? {})
}

const expected = (text: string | null): string => {
  if (text === 'Array') return 'a list'
  if (text === 'Object') return 'a mapping'
  if (text === 'string') return 'a text'
  if (text === 'boolean') return 'true or false'
  if (text === 'number') return 'a number'
  return (text ?? 'that').replaceAll(/[()"]/g, '').replaceAll(' | ', ' or ')
}

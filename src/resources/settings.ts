// Files that are no resources but are read as carefully: one mapping, checked against a schema, every fault named and placed.

import * as v from 'valibot'
import { type Document, LineCounter, parseAllDocuments } from 'yaml'
import { explain } from './explain.ts'
import { keepFractionsAsText, offsetOf, syntaxProblem } from './places.ts'
import type { Place, Problem } from './problem.ts'

export interface SettingsFile<T> {
  readonly value: T
  /** Where the value at the path stands, or the nearest thing around it. */
  readonly placeOf: (path: readonly (string | number)[]) => Place
  /** The documents after the first, unread. */
  readonly others: readonly Document.Parsed[]
  /** Where the first document ends in the text. */
  readonly end: number
}

export type Settings<T> =
  ({ readonly ok: true } & SettingsFile<T>) | { readonly ok: false; readonly problems: readonly Problem[] }

/** Reads the first document of a file. `owner`: what the settings are of, as sentences call it: `margayd.yaml`, `lab`. */
export function readSettings<S extends v.GenericSchema>(
  schema: S,
  text: string,
  { file, owner, object = owner }: { readonly file: string; readonly owner: string; readonly object?: string },
): Settings<v.InferOutput<S>> {
  const lines = new LineCounter()
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
  const documents: readonly Document.Parsed[] = 'empty' in parsed ? [] : parsed
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const broken = documents.flatMap(document => document.errors)
  if (broken.length > 0)
    return { ok: false, problems: broken.map(error => ({ ...syntaxProblem(error, placeAt(error.pos[0])), object })) }
  const [document, ...others] = documents
  if (document) keepFractionsAsText(document)
  const placeOf = (path: readonly (string | number)[], onKey = false): Place =>
    placeAt(document ? offsetOf(document, path, onKey) : 0)
  const result = v.safeParse(schema, document?.toJS({ maxAliasCount: 100 }) ?? {})
  if (result.success) return { ok: true, value: result.output, placeOf, others, end: document?.range[1] ?? 0 }
  const problems = result.issues.map((issue): Problem => {
    const { path, onKey, refusal } = explain(issue, { schema, owner })
    return { object, path, onKey, what: refusal.what, why: refusal.why, fix: refusal.fix, place: placeOf(path, onKey) }
  })
  return { ok: false, problems: withoutEchoes(problems).toSorted(byPlace) }
}

/** A mistyped key is one mistake, not two: that the right one is missing need not be said. */
function withoutEchoes(problems: readonly Problem[]): readonly Problem[] {
  const meant = new Set(
    problems.flatMap(({ path, fix }) => {
      const [, key] = /^Did you mean (.*)\?$/.exec(fix) ?? []
      return key === undefined ? [] : [[...path.slice(0, -1), key].join('.')]
    }),
  )
  return problems.filter(({ path, what }) => !what.endsWith('is missing') || !meant.has(path.join('.')))
}

function byPlace(a: Problem, b: Problem): number {
  return (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0)
}

// Resource files: one or more YAML documents, each a resource or a list of them. JSON is YAML too.

import { type Document, LineCounter, parseAllDocuments } from 'yaml'
import type { AnyResource } from './kinds/index.ts'
import { parseResource } from './parse.ts'
import { keepFractionsAsText, offsetOf, syntaxProblem } from './places.ts'
import { nameOf, type Place, type Problem } from './problem.ts'

export interface ParsedFile {
  /** Those that are sound, in the order of the file. */
  readonly resources: readonly AnyResource[]
  readonly problems: readonly Problem[]
  /** Where a field of one of the resources stands, so that a later problem can name it; the nearest place if it is not written. */
  readonly placeOf: (resource: AnyResource, path: readonly (string | number)[]) => Place
}

/** Reads every document of a file. One unsound object does not hide the others, nor their faults. */
export function parseResources(text: string, fileName: string): ParsedFile {
  const lines = new LineCounter()
  const found = new Map<AnyResource, (path: readonly (string | number)[]) => Place>()
  const problems: Problem[] = []
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file: fileName, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const add = (resource: AnyResource, placeOf: (path: readonly (string | number)[]) => Place): void => {
    const twin = [...found].find(
      ([other]) => other.kind === resource.kind && other.metadata.name === resource.metadata.name,
    )
    if (!twin) found.set(resource, placeOf)
    else problems.push(twiceProblem(resource, placeOf(['metadata', 'name']), twin[1](['metadata', 'name'])))
  }
  for (const document of parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })) {
    if (document.errors.length > 0) {
      for (const error of document.errors) problems.push(syntaxProblem(error, placeAt(error.pos[0])))
      continue
    }
    keepFractionsAsText(document)
    for (const { path, value } of objectsIn(document)) {
      const placeOf = (inner: readonly (string | number)[], onKey = false): Place =>
        placeAt(offsetOf(document, [...path, ...inner], onKey))
      const parsed = parseResource(value)
      if (parsed.ok) add(parsed.resource, placeOf)
      else
        problems.push(...parsed.problems.map(problem => ({ ...problem, place: placeOf(problem.path, problem.onKey) })))
    }
  }
  problems.sort(
    (a, b) => (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0),
  )
  return {
    resources: [...found.keys()],
    problems,
    placeOf: (resource, path) => found.get(resource)?.(path) ?? { file: fileName, line: 1, column: 1 },
  }
}

function twiceProblem(resource: AnyResource, place: Place, first: Place): Problem {
  const path = ['metadata', 'name']
  const what = `stands already at ${first.file}:${first.line}:${first.column}`
  const why = 'A file says each object once.'
  return {
    object: nameOf(resource.kind, resource.metadata.name),
    path,
    what,
    why,
    fix: 'Remove one, or name it otherwise.',
    place,
  }
}

/** The objects of a document with their paths: itself, or the items of a list as `calicoctl get -o yaml` writes them. */
function objectsIn(document: Document): { readonly path: readonly (string | number)[]; readonly value: unknown }[] {
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  if (value === null || value === undefined) return []
  if (typeof value === 'object' && 'items' in value && Array.isArray(value.items))
    return value.items.map((item: unknown, i) => ({ path: ['items', i], value: item }))
  return [{ path: [], value }]
}

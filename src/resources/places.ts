// Where things stand in a YAML file, and what is wrong with one before anything is looked at.

import { type Document, isAlias, isCollection, isMap, isScalar, visit, type YAMLError } from 'yaml'
import type { Place, Problem } from './problem.ts'

/** A document that is not YAML. */
export function syntaxProblem({ message }: YAMLError, place: Place): Problem {
  const what = message.split('\n')[0].replace(/[.:]$/, '')
  return {
    object: 'document',
    path: [],
    what: `not YAML: ${what}`,
    why: 'Nothing of this document can be read.',
    fix: 'Mend the YAML there; indent with spaces, two a level.',
    place,
  }
}

/** No field takes a fraction, but an AS number with a dot looks like one: `1.10` shall not become 1.1. */
export function keepFractionsAsText(document: Document): void {
  visit(document, {
    Scalar(_, scalar) {
      if (typeof scalar.value === 'number' && !Number.isInteger(scalar.value) && scalar.source !== undefined)
        scalar.value = scalar.source
    },
  })
}

/**
 * Where the value at the path begins; its key instead if that is wanted or if the value is a mapping, a list or empty.
 * What is not written stands where the nearest thing around it does.
 */
export function offsetOf(document: Document, path: readonly (string | number)[], onKey: boolean): number {
  let node: unknown = document.contents
  let offset = rangeStart(node) ?? document.range?.[0] ?? 0
  for (const [depth, key] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    if (!isCollection(node)) return offset
    const pair = isMap(node) ? node.items.find(item => isScalar(item.key) && item.key.value === key) : undefined
    if (isMap(node) && !pair) return offset
    node = pair ? pair.value : node.get(key, true)
    offset = rangeStart(pair ? pair.key : node) ?? offset
    const last = depth === path.length - 1
    if (last && !onKey && isScalar(node) && node.value !== null) offset = rangeStart(node) ?? offset
  }
  return offset
}

function rangeStart(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined
  const start: unknown = node.range[0]
  return typeof start === 'number' ? start : undefined
}

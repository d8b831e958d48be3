// Calico's v3 resources as ours: what can be taken, what has to change for it, and what is left out, each with its reason.
//
// Names and meanings are the same for the most part, so an object is rewritten where Calico says the same thing in another way
// (rewrite.ts), and then read as any file that says projectcalico.org/v3. What the reader does not know is left out and told.

import { calicoApiVersion } from '../kind.ts'
import { type AnyResource, kinds } from '../kinds/index.ts'
import { parseResource } from '../parse.ts'
import { fieldName, nameOf, type Problem } from '../problem.ts'
import { rewrite } from './rewrite.ts'
import { whyNot } from './without-counterpart.ts'

export interface Conversion {
  /** `ippool "default"`. */
  readonly object: string
  /** Calico's kind, or ours where they differ in name. */
  readonly kind: string
  /** Absent: it is not taken, and `why` says why. */
  readonly resource?: AnyResource
  readonly why?: string
  /** Sentences: what is not as Calico has it, and why. */
  readonly changed: readonly string[]
  /** Sentences: what Calico says of it and Margay cannot. */
  readonly leftOut: readonly string[]
}

/** Calico's object as a plain value: `{ kind, metadata, spec }`. */
export interface CalicoObject {
  readonly kind: string
  readonly metadata: Readonly<Record<string, unknown>> & { readonly name: string }
  readonly spec: Readonly<Record<string, unknown>>
  /** In Calico's etcd. */
  readonly key?: string
}

/** Calico has one of its kinds under two names. */
export function ourKind(theirs: string): string {
  return theirs === 'IPAMConfig' ? 'IPAMConfiguration' : theirs
}

/** Never fails. */
export function fromCalico({ kind: theirs, metadata, spec }: CalicoObject): Conversion {
  const kind = ourKind(theirs)
  const object = nameOf(kind, metadata.name)
  const none = (why: string): Conversion => ({ object, kind, why, changed: [], leftOut: [] })
  if (!Object.hasOwn(kinds, kind)) return none(whyNot(kind))
  const rewritten = rewrite(kind, metadata.name, spec)
  if (rewritten.why !== undefined) return none(rewritten.why)
  const { deletionTimestamp, ...kept } = metadata
  if (deletionTimestamp !== undefined) return none('Calico is deleting it (deletionTimestamp)')
  const leftOut = [...(rewritten.leftOut ?? [])]
  const value = { apiVersion: calicoApiVersion, kind, metadata: kept, spec: structuredClone(rewritten.spec) }
  for (;;) {
    const parsed = parseResource(value)
    if (parsed.ok) return { object, kind, resource: parsed.resource, changed: rewritten.changed, leftOut }
    const unknown = parsed.problems.filter(problem => problem.onKey === true && problem.path[0] === 'spec')
    const [wrong] = parsed.problems.filter(problem => !unknown.includes(problem))
    if (unknown.length === 0 || !unknown.every(problem => remove(value.spec, problem.path.slice(1))))
      return none(wrong ? sentence(wrong) : 'it cannot be read')
    for (const problem of unknown) leftOut.push(`${fieldName(problem.path)}: ${reason(problem)}`)
  }
}

function sentence({ what, why, fix }: Problem): string {
  return `${what}. ${why} ${fix}`
}

/** A field that Margay knows of as Calico's has a reason of its own; for any other, that it is not there. */
function reason({ what, why }: Problem): string {
  return what.endsWith('is not supported') ? why : 'Margay has no such field.'
}

/** False: it is not there. */
function remove(value: unknown, path: Problem['path']): boolean {
  const [key, ...rest] = path
  if (typeof value !== 'object' || value === null || key === undefined || !Object.hasOwn(value, key)) return false
  const map = value as Record<string | number, unknown>
  if (rest.length > 0) return remove(map[key], rest)
  delete map[key]
  return true
}

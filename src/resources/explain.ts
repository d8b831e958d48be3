// A finding of the schema library in our words: what, why, next step.
//
// Fields bring their own refusals (fields.ts). What is left are the faults of mappings: a key that is unknown or missing,
// an empty value, something else where a mapping should be.

import * as v from 'valibot'
import type { ForeignField } from './kind.ts'
import { fieldName, Refusal, show } from './problem.ts'
import { refusalIn } from './schema.ts'
import { nearest } from './suggest.ts'

export interface Finding {
  /** Keys from the root of the object. */
  readonly path: readonly (string | number)[]
  readonly onKey: boolean
  /** `what` is complete here: it begins with the field's name. */
  readonly refusal: Refusal
}

export interface Subject {
  readonly schema: v.GenericSchema
  /** Where the schema's value stands in the object; absent: it is the object. */
  readonly root?: 'metadata' | 'spec'
  /** What the value belongs to: `IPPool`. */
  readonly owner: string
  readonly foreign?: Readonly<Record<string, ForeignField>>
}

/** What one issue means for the reader of the file. */
export function explain(issue: v.BaseIssue<unknown>, subject: Subject): Finding {
  const items = issue.path ?? []
  const inner = items.map(item => (typeof item.key === 'number' ? item.key : String(item.key)))
  const path = [...rootOf(subject), ...inner]
  const name = fieldName(path)
  const known = entriesOf(schemaAt(subject.schema, inner.slice(0, -1)))
  if (issue.expected === 'never') return { path, onKey: true, refusal: unknownKey(name, inner, known, subject) }

  const value = items.length > 0 ? items[items.length - 1].value : issue.input
  const own = refusalIn(issue.message)
  const form = formOf(schemaAt(subject.schema, inner))
  const example = form ? `${inner.at(-1) ?? subject.root ?? 'it'}: <${form}>` : 'it'
  if (value === undefined && !own)
    return finding(path, `${name} is missing`, `${parentOf(inner, subject)} cannot do without it.`, `Add ${example}.`)
  if (value === null)
    return finding(
      path,
      `${name} is empty`,
      'A field that is named has a value.',
      `Write ${example}, or remove ${name}.`,
    )
  const shown = value === undefined || typeof value === 'object' ? '' : ` ${show(value)}`
  if (own) return finding(path, `${name}${shown} ${own.what}`, own.why, own.fix)
  if (itemOf(schemaAt(subject.schema, inner)))
    return finding(
      path,
      `${name} ${show(value)} is not a list`,
      'It takes any number of items.',
      'Write each below it, after a dash.',
    )
  const keys = entriesOf(schemaAt(subject.schema, inner)).join(', ')
  return finding(
    path,
    `${name || 'the file'}${inner.at(-1) === 'password' ? '' : ` ${show(value)}`} is not a mapping`,
    `It has the fields ${keys}.`,
    'Write them below it, indented.',
  )
}

function finding(path: Finding['path'], what: string, why: string, fix: string): Finding {
  return { path, onKey: false, refusal: new Refusal(what, why, fix) }
}

function unknownKey(name: string, inner: Finding['path'], known: readonly string[], subject: Subject): Refusal {
  const key = inner.join('.')
  const foreign = subject.foreign && Object.hasOwn(subject.foreign, key) ? subject.foreign[key] : undefined
  if (foreign) return new Refusal(`${name} is not supported`, foreign.why, foreign.fix ?? `Remove ${name}.`)
  const meant = nearest(String(inner.at(-1)), known)
  const why = `The fields of ${parentOf(inner, subject)} are ${known.join(', ')}.`
  return new Refusal(`${name} is not a field`, why, meant ? `Did you mean ${meant}?` : `Remove ${name}.`)
}

function rootOf({ root }: Subject): readonly string[] {
  return root === undefined ? [] : [root]
}

function parentOf(inner: Finding['path'], subject: Subject): string {
  return inner.length > 1 ? fieldName([...rootOf(subject), ...inner.slice(0, -1)]) : subject.owner
}

// ---- walking a schema --------------------------------------------------------------------------------------------------------

/** The schema of a field, below any `optional`; undefined where there is none. */
export function schemaAt(schema: v.GenericSchema, path: readonly (string | number)[]): v.GenericSchema | undefined {
  let at: v.GenericSchema | undefined = unwrap(schema)
  for (const key of path) {
    const entries: Record<string, v.GenericSchema> =
      at && 'entries' in at ? (at.entries as Record<string, v.GenericSchema>) : {}
    const inner: v.GenericSchema | undefined =
      typeof key === 'number' ? itemOf(at) : Object.hasOwn(entries, key) ? entries[key] : undefined
    at = inner && unwrap(inner)
  }
  return at
}

function unwrap(schema: v.GenericSchema): v.GenericSchema {
  return 'wrapped' in schema ? unwrap(schema.wrapped as v.GenericSchema) : schema
}

/** The schema of a list's items. */
function itemOf(schema: v.GenericSchema | undefined): v.GenericSchema | undefined {
  return schema && 'item' in schema ? (schema.item as v.GenericSchema) : undefined
}

function entriesOf(schema: v.GenericSchema | undefined): string[] {
  return schema && 'entries' in schema ? Object.keys(schema.entries as object) : []
}

/** What a field takes, in a word or two: `CIDR`. */
export function formOf(schema: v.GenericSchema | undefined): string | undefined {
  const form = schema ? v.getMetadata(schema)['form'] : undefined
  return typeof form === 'string' ? form : undefined
}

// What is wrong with a resource, in the one shape that every refusal has: object, value, reason, place, next step.

export interface Place {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

export interface Problem {
  /** `ippool "rack-2"`. */
  readonly object: string
  /** Where in the object, as keys: `['spec', 'cidr']`. Empty: the object as a whole. */
  readonly path: readonly (string | number)[]
  /** The matter is the key at the end of `path`, not its value. */
  readonly onKey?: boolean
  /** Field, value and what is the matter, without the object and the full stop: `cidr 10.42.0.0/16 overlaps pool "default"`. */
  readonly what: string
  /** One sentence. */
  readonly why: string
  /** One sentence: what to do next. */
  readonly fix: string
  /** Absent for what was not read from a file. */
  readonly place?: Place
}

/** Why a value cannot be taken: the part of a problem that a field knows. */
export class Refusal {
  /** Follows field and value: `is not an AS number`. */
  readonly what: string
  readonly why: string
  readonly fix: string
  constructor(what: string, why: string, fix: string) {
    this.what = what
    this.why = why
    this.fix = fix
  }
}

/**
 * Three lines for a person:
 *
 *     ippool "rack-2": cidr 10.42.0.0/16 overlaps pool "default" (10.42.0.0/15).
 *       rack2.yaml:7:9   Pools must not overlap, or one address could belong to two pods.
 *       Choose another range.
 */
export function formatProblem(problem: Problem): string {
  const place = problem.place ? `${problem.place.file}:${problem.place.line}:${problem.place.column}   ` : ''
  const { object, what, why, fix } = problem
  return `${printable(object)}: ${printable(what)}.\n  ${place}${printable(why)}\n  ${printable(fix)}`
}

/** What a file says may hold line ends and terminal codes; a message holds neither. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
}

/** The first of a list, and how many more there are; `between`: a line each, or in one. */
export function firstOf(list: readonly string[], most: number, between: ', ' | '\n' = ', '): string {
  if (between === '\n') return firstLines(list, most).join('\n')
  const more = list.length - most
  const first = list.slice(0, most).join(between)
  return more > 0 ? `${first} and ${more} more` : first
}

/** The same where each has a line of its own; `all`: how to see all of them. */
export function firstLines(list: readonly string[], most: number, all = ''): readonly string[] {
  const more = list.length - most
  return more > 0 ? [...list.slice(0, most), `and ${more} more${all}`] : list
}

/** `ippool "rack-2"`, as every message calls an object. Whoever writes into the datastore may have given it any name. */
export function nameOf(kind: string, name: string): string {
  return printable(`${kind.toLowerCase()} "${name}"`)
}

/** The field as people write it: `cidr`, `bgp.asNumber`, `metadata.labels`. The leading `spec` goes without saying. */
export function fieldName(path: readonly (string | number)[]): string {
  const keys = path[0] === 'spec' && path.length > 1 ? path.slice(1) : path
  return keys.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('')
}

/** A value within a sentence: short, on one line. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    const text = printable(value)
    return text === '' ? '""' : text.length > 60 ? `${text.slice(0, 57)}...` : text
  }
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a mapping'
  return String(value)
}

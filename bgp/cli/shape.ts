// What a JSON value has to look like: shapes that are put together like the types they stand for, and that say where a value is
// not as it should be. They know nothing of BGP; what a number or a text means is checked where it is used.

import type { ConfigIssue } from '../types.ts'
import { nearest } from './nearest.ts'

const NOT_SHOWN = '(not shown)'

/** Takes note of what is wrong; what it is called for has no value. */
export type Complain = (issue: ConfigIssue) => undefined

export interface Shape<T> {
  /** Completes "it is …": `a number`. */
  readonly is: string
  /** The value as it is, or undefined after a complaint; `at` is its place in the document. */
  read(value: unknown, at: string, complain: Complain): T | undefined
}

/** A shape for every field that the type has, so that a new field without one does not compile. */
export type Fields<T> = { readonly [K in keyof T]-?: Shape<Exclude<T[K], undefined>> }

export const text: Shape<string> = simple('a text', 'write it in quotes', value => typeof value === 'string')
export const flag: Shape<boolean> = simple('true or false', 'write true or false, without quotes', isBoolean)
export const number: Shape<number> = simple('a number', 'write digits only, without quotes', Number.isFinite)
/** A text that no message shows. */
export const hidden: Shape<string> = {
  is: text.is,
  read: (value, at, complain) => text.read(value, at, issue => complain({ ...issue, value: NOT_SHOWN })),
}

export function oneOf<const T extends string>(...words: readonly T[]): Shape<T> {
  const is = `one of ${words.join(', ')}`
  return simple(is, `use ${words.join(', ')}`, value => (words as readonly unknown[]).includes(value))
}

/** The first shape that takes the value. */
export function either<A, B>(a: Shape<A>, b: Shape<B>): Shape<A | B> {
  const is = `${a.is} or ${b.is}`
  return {
    is,
    read(value, at, complain) {
      for (const shape of [a, b]) {
        const issues: ConfigIssue[] = []
        const read = shape.read(value, at, collect(issues))
        if (issues.length === 0) return read
        // It has that form, so what is wrong inside it is worth telling.
        if (isForm(value, shape)) {
          issues.forEach(complain)
          return undefined
        }
      }
      return complain({ field: at, value, reason: `it is not ${is}`, fix: `give ${is}` })
    },
  }
}

export function list<T>(of: Shape<T>): Shape<readonly T[]> {
  return {
    is: 'a list',
    read(value, at, complain) {
      if (!Array.isArray(value)) {
        return complain({ field: at, value, reason: 'it is not a list', fix: 'write it in [ ]' })
      }
      return value.flatMap((one: unknown, i) => of.read(one, `${at}[${i}]`, complain) ?? [])
    },
  }
}

/** An object whose keys are names of the user's own. */
export function named<T>(of: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return {
    is: 'an object',
    read(value, at, complain) {
      if (!isObject(value)) return notAnObject(value, at, complain)
      const entries = Object.entries(value).flatMap(([name, one]) => {
        const read = of.read(one, join(at, name), complain)
        return read === undefined ? [] : [[name, read] as const]
      })
      return Object.fromEntries(entries)
    },
  }
}

/** An object with these fields and no others; `needed` ones have to be there. */
export function object<T extends object>(fields: Fields<T>, ...needed: readonly (keyof T & string)[]): Shape<T> {
  const known = Object.keys(fields)
  return {
    is: 'an object',
    read(value, at, complain) {
      if (!isObject(value)) return notAnObject(value, at, complain)
      const result: Record<string, unknown> = {}
      for (const [key, inner] of Object.entries(value)) {
        const field = join(at, key)
        if (!Object.hasOwn(fields, key)) {
          const near = nearest(key, known)
          const fix = near === undefined ? `remove it; possible are ${known.join(', ')}` : `did you mean ${near}?`
          const shown: unknown = /secret|key|pass/i.test(key) ? NOT_SHOWN : inner
          complain({ field, value: shown, reason: 'there is no such option', fix })
        } else {
          result[key] = fields[key as keyof T].read(inner, field, complain)
        }
      }
      for (const key of needed) {
        if (Object.hasOwn(value, key)) continue
        complain({ field: join(at, key), value: undefined, reason: 'it has to be given', fix: `add "${key}"` })
      }
      return result as T
    },
  }
}

/** Puts what is wrong on the list. */
export function collect(issues: ConfigIssue[]): Complain {
  return issue => {
    issues.push(issue)
    return undefined
  }
}

/** The place of a key inside an object: `peers.tor.holdTime`; the document itself has no name. */
export function join(at: string, key: string): string {
  const name = /^[\w-]+$/.test(key) ? key : JSON.stringify(key)
  return at === '' ? name : `${at}.${name}`
}

function simple<T>(is: string, fix: string, fits: (value: unknown) => boolean): Shape<T> {
  return {
    is,
    read(value, at, complain) {
      if (fits(value)) return value as T
      return complain({ field: at, value, reason: `it is not ${is}`, fix })
    },
  }
}

function notAnObject(value: unknown, at: string, complain: Complain): undefined {
  return complain({ field: at, value, reason: 'it is not an object', fix: 'write it in { }' })
}

function isForm(value: unknown, { is }: Shape<unknown>): boolean {
  const forms = is.split(' or ')
  return (forms.includes('an object') && isObject(value)) || (forms.includes('a list') && Array.isArray(value))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}

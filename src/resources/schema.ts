// How a field is made for the schema library, and how our refusals travel through it: a refusal is put into the text of an issue,
// and explain.ts takes it out again.

import * as v from 'valibot'
import { Refusal } from './problem.ts'

/** What the field table of the documentation says about a field. */
export interface FieldDoc extends Record<string, unknown> {
  readonly form: string
}

/** The same schema, with the sentence that the documentation prints for the field. */
export function described<S extends v.GenericSchema>(schema: S, description: string) {
  return v.pipe(schema, v.description<v.InferOutput<S>, string>(description))
}

const mark = 'refusal:'

/** A refusal as the message of one of the library's own checks. */
export function toMessage({ what, why, fix }: Refusal): string {
  return mark + JSON.stringify([what, why, fix])
}

/** The refusal that a message of the schema library carries; undefined if it is the library's own. */
export function refusalIn(message: string): Refusal | undefined {
  if (!message.startsWith(mark)) return undefined
  const [what, why, fix] = JSON.parse(message.slice(mark.length)) as [string, string, string]
  return new Refusal(what, why, fix)
}

/** Why an object whose fields are sound one by one cannot be taken, told of the field to change. */
export interface Misfit<Field extends string = string> {
  readonly field: Field
  readonly refusal: Refusal
}

/** Looks at a whole object whose fields are sound one by one. */
export function whole<T extends object>(check: (value: T) => Misfit<keyof T & string> | undefined) {
  return v.rawCheck<T>(({ dataset, addIssue }) => {
    const misfit = dataset.typed ? check(dataset.value) : undefined
    if (!misfit) return
    const input = dataset.value as Record<string, unknown>
    const key = misfit.field
    addIssue({
      message: toMessage(misfit.refusal),
      path: [{ type: 'object', origin: 'value', input, key, value: input[key] }],
    })
  })
}

/** A field of the form named (for the documentation) whose text or number `read` turns into the value kept. */
export function field<T>(form: string, read: (value: unknown) => T | Refusal) {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset, addIssue, NEVER }) => {
      const value = read(dataset.value)
      if (!(value instanceof Refusal)) return value
      addIssue({ message: toMessage(value) })
      return NEVER
    }),
    v.metadata({ form } satisfies FieldDoc),
  )
}

// From a plain value (of YAML or JSON) to a resource, or to what is wrong with it.
//
// The envelope (apiVersion, kind) is checked here, metadata and spec by their schemas.

import * as v from 'valibot'
import { explain, type Subject } from './explain.ts'
import { apiVersion, calicoApiVersion, type KindDefinition } from './kind.ts'
import { type AnyResource, type Kind, kinds } from './kinds/index.ts'
import { metadataSchema, withoutWritten } from './metadata.ts'
import { nameOf, type Problem, Refusal, show } from './problem.ts'
import { nearest } from './suggest.ts'

export type Parsed =
  { readonly ok: true; readonly resource: AnyResource } | { readonly ok: false; readonly problems: readonly Problem[] }

/** Reads one object, as the datastore holds it or a document of a file says it. Defaults are filled in, text is canonical. */
export function parseResource(value: unknown): Parsed {
  if (!isMapping(value)) return { ok: false, problems: [notAMapping(value)] }
  const problems: Problem[] = []
  const report = (path: Problem['path'], { what, why, fix }: Refusal, onKey = false): void => {
    problems.push({ object: objectOf(value), path, onKey, what, why, fix })
  }
  const run = (input: unknown, subject: Subject): unknown => {
    const result = v.safeParse(subject.schema, input)
    for (const issue of result.issues ?? []) {
      const found = explain(issue, subject)
      report(found.path, found.refusal, found.onKey)
    }
    return result.output
  }

  const version = value['apiVersion']
  if (version !== apiVersion && version !== calicoApiVersion) report(['apiVersion'], wrongVersion(version))
  const kind = kindOf(value['kind'])
  if (kind instanceof Refusal) report(['kind'], kind)
  for (const key of Object.keys(value)) if (!envelope.includes(key)) report([key], wrongKey(key), true)
  const definition: KindDefinition<Kind> | undefined = kind instanceof Refusal ? undefined : kinds[kind]
  const metadata = run(withoutWritten(value['metadata'], version === calicoApiVersion), {
    schema: metadataSchema(definition?.onlyName),
    root: 'metadata',
    owner: 'metadata',
    foreign: {},
  })
  if (!definition) return { ok: false, problems }
  const { foreign } = definition
  const spec = run(withoutHarmless(value['spec'] ?? {}, foreign), {
    schema: definition.spec,
    root: 'spec',
    owner: definition.kind,
    foreign,
  })
  if (problems.length > 0) return { ok: false, problems }
  return { ok: true, resource: { apiVersion, kind: definition.kind, metadata, spec } as AnyResource }
}

/** `status` is what a store says about the object; it is read over. */
const envelope = ['apiVersion', 'kind', 'metadata', 'spec', 'status']

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function notAMapping(value: unknown): Problem {
  const why = 'A resource is a mapping with apiVersion, kind, metadata and spec.'
  return {
    object: 'document',
    path: [],
    what: `${show(value)} is not a resource`,
    why,
    fix: `Begin with apiVersion: ${apiVersion}.`,
  }
}

function objectOf(value: Record<string, unknown>): string {
  const kind = typeof value['kind'] === 'string' && value['kind'] !== '' ? value['kind'] : 'resource'
  const name = isMapping(value['metadata']) ? value['metadata']['name'] : undefined
  return typeof name === 'string' ? nameOf(kind, name) : `${kind.toLowerCase()} without a name`
}

function wrongVersion(version: unknown): Refusal {
  const what = version === undefined ? 'apiVersion is missing' : `apiVersion ${show(version)} is not known`
  return new Refusal(
    what,
    `Margay reads ${apiVersion}, and ${calicoApiVersion} as it is.`,
    `Write apiVersion: ${apiVersion}.`,
  )
}

function kindOf(kind: unknown): Kind | Refusal {
  const known = Object.values(kinds).map(definition => definition.kind)
  const found = known.find(candidate => candidate === kind)
  if (found) return found
  const meant = typeof kind === 'string' ? nearest(kind, known) : undefined
  const what = kind === undefined ? 'kind is missing' : `kind ${show(kind)} is not known`
  const fix = meant ? `Did you mean ${meant}?` : 'Write one of these, or remove the object.'
  return new Refusal(what, `The kinds are ${known.join(', ')}.`, fix)
}

function wrongKey(key: string): Refusal {
  const meant = nearest(key, envelope)
  const fix = meant ? `Did you mean ${meant}?` : `Remove ${key}, or move it into spec.`
  return new Refusal(`${key} is not a field`, 'A resource has apiVersion, kind, metadata and spec.', fix)
}

/** Drops the fields of Calico's that only say what Margay does anyway. */
function withoutHarmless(spec: unknown, foreign: KindDefinition['foreign']): unknown {
  if (!isMapping(spec)) return spec
  const harmless = ([name, value]: [string, unknown]): boolean =>
    Object.hasOwn(foreign, name) && (foreign[name].same?.(value) ?? false)
  return Object.fromEntries(Object.entries(spec).filter(entry => !harmless(entry)))
}

// Rows of the cluster's file as entries.

import type { Entry } from '../contract.ts'
import { layout, opened } from '../envelope.ts'

export function wrap(value: unknown): string {
  return JSON.stringify({ layout, value: value ?? null })
}

/** A row (kind, name, version, value) as an entry. */
export function toEntry(row: Record<string, unknown>): Entry {
  const [kind, name] = [String(row['kind']), String(row['name'])]
  return opened({ kind, name }, String(row['value']), String(row['version']))
}

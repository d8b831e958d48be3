// A record as it is stored: the value stands in an envelope with the version of its layout, so that a later Margay can tell how
// to read it.

import { type Entry, StoreError, type Version } from '../contract.ts'

const layout = 1

export function wrap(value: unknown): string {
  return JSON.stringify({ layout, value: value ?? null })
}

/** A row (kind, name, version, value) as an entry. Fails if a newer Margay wrote it. */
export function toEntry(row: Record<string, unknown>): Entry {
  const [kind, name] = [String(row['kind']), String(row['name'])]
  const stored = JSON.parse(String(row['value'])) as { readonly layout: number; readonly value: unknown }
  if (stored.layout !== layout)
    throw new StoreError(
      'unreachable',
      `${kind} ${name} was written by a newer Margay (layout ${stored.layout}, this one knows ${layout}). Upgrade this node.`,
    )
  return { kind, name, version: String(row['version']) as Version, value: stored.value }
}

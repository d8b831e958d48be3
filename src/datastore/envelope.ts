// A record as it is stored: the value stands in an envelope with the version of its layout, so that a later Margay can tell how to
// read it. What this one cannot read is kept whole here: it is listed, with an empty value and the reason, and never written over.

import { deletion, type Entry, StoreError, type Version } from './contract.ts'

export const layout = 1

export interface Envelope {
  readonly layout: number
  readonly value: unknown
  /** Which write made it, where the store is one that may have to repeat a write (etcd). */
  readonly write?: string
}

/** Before the version of a record that a newer Margay wrote, and of one that no Margay did. */
const marks = { newer: '!', foreign: '?' } as const

/** Undefined: it is none. */
export function readEnvelope(stored: string): Envelope | undefined {
  const parsed = parse(stored)
  const { layout } = (parsed ?? {}) as Partial<Record<keyof Envelope, unknown>>
  return typeof layout === 'number' ? (parsed as Envelope) : undefined
}

/** The record as an entry. `revision`: what the store knows its state by. */
export function opened({ kind, name }: Pick<Entry, 'kind' | 'name'>, stored: string, revision: string): Entry {
  const envelope = readEnvelope(stored)
  if (envelope?.layout === layout) return { kind, name, version: revision as Version, value: envelope.value }
  if (envelope && envelope.layout > layout)
    return {
      kind,
      name,
      version: `${marks.newer}${revision}` as Version,
      value: {},
      newer: envelope.layout,
      unreadable: `a newer Margay wrote it (layout ${envelope.layout}, this one knows ${layout}): upgrade this one`,
    }
  const what = parse(stored) === undefined ? 'not JSON' : 'JSON without a layout that Margay has ever had'
  return {
    kind,
    name,
    version: `${marks.foreign}${revision}` as Version,
    value: {},
    unreadable: `no Margay wrote it: it is ${what}. Find out who did, and delete the record: ${deletion(kind, name)}`,
  }
}

/** The revision of a record that may be written over; throws `conflict` for one that may not. */
export function writable(kind: string, name: string, version: Version): string {
  if (version.startsWith(marks.newer))
    throw new StoreError(
      'conflict',
      `${kind} ${name} was written by a newer Margay, in a layout that this one does not know, and stays as it is. Upgrade this node, or change it with the newer margayctl.`,
    )
  if (version.startsWith(marks.foreign))
    throw new StoreError(
      'conflict',
      `${kind} ${name} was not written by Margay, and stays as it is. Find out who wrote it, and delete the record first: ${deletion(kind, name)}`,
    )
  return version
}

/** The revision of any record: who deletes it need not read it. */
export function revisionOf(version: Version): string {
  return Object.values(marks).some(mark => version.startsWith(mark)) ? version.slice(1) : version
}

/** Undefined: it is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

// A record as it is stored: the value stands in an envelope with the version of its layout, so that a later Margay can tell how to
// read it. What a newer Margay wrote is kept whole here: it is listed, with an empty value, and never written over.

import { type Entry, StoreError, type Version } from './contract.ts'

export const layout = 1

export interface Envelope {
  readonly layout: number
  readonly value: unknown
}

const mark = '!'

/** `revision`: what the store knows the record's state by. */
export function opened(stored: Envelope, revision: string): Pick<Entry, 'version' | 'value' | 'newer'> {
  if (stored.layout === layout) return { version: revision as Version, value: stored.value }
  return { version: `${mark}${revision}` as Version, value: {}, newer: stored.layout }
}

/** The revision of a record that may be written over; throws `conflict` for one that may not. */
export function writable(kind: string, name: string, version: Version): string {
  if (!version.startsWith(mark)) return version
  throw new StoreError(
    'conflict',
    `${kind} ${name} was written by a newer Margay, in a layout that this one does not know, and stays as it is. Upgrade this node, or change it with the newer margayctl.`,
  )
}

/** The revision of any record: who deletes it need not read it. */
export function revisionOf(version: Version): string {
  return version.startsWith(mark) ? version.slice(mark.length) : version
}

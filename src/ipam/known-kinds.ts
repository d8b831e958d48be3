// Records of kinds that this Margay does not know: a newer one wrote them, or another program did that has the same prefix or file. They
// are kept as they are, exported, and named to the operator, for nothing else here looks at them.

import { clusterIdentity, type Datastore, deletion, lockKind } from '../datastore/contract.ts'
import { handoverKind } from '../model/handover.ts'
import { tunnelUseKind } from '../model/tunnel-use.ts'
import { allKinds } from '../resources/index.ts'
import { allEntries } from './claims.ts'
import { decommissionKind } from './decommission.ts'
import { blockKind, copyKind } from './records.ts'
import { requestKind } from './requests.ts'

const known: ReadonlySet<string> = new Set([
  ...allKinds,
  blockKind,
  clusterIdentity.kind,
  copyKind,
  decommissionKind,
  handoverKind,
  lockKind,
  requestKind,
  tunnelUseKind,
])

export function isKnownKind(kind: string): boolean {
  return known.has(kind)
}

export interface UnknownKind {
  readonly kind: string
  /** Of all its records, ordered. */
  readonly names: readonly string[]
}

/** Fails with a StoreError. */
export async function unknownKinds(datastore: Datastore): Promise<readonly UnknownKind[]> {
  const kinds = (await datastore.kinds()).filter(kind => !known.has(kind))
  return Promise.all(
    kinds.map(async kind => ({ kind, names: (await allEntries(datastore, kind)).map(({ name }) => name) })),
  )
}

/** Names that are told one by one. */
const shown = 3

export function unknownText({ kind, names }: UnknownKind): string {
  const [first, ...more] = names
  if (first === undefined) return 'another program wrote something there that is no record. It stays as it is.'
  const list = [first, ...more.slice(0, shown - 1)].join(', ')
  const rest = names.length > shown ? ` and ${names.length - shown} more` : ''
  return `this Margay knows no such kind, so a newer one wrote these records, or another program: ${list}${rest}. They stay as they are. If nobody needs them: ${deletion(kind, first)}${more.length > 0 ? ', and so on' : ''}.`
}

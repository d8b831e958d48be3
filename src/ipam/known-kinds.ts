// Records of kinds that this Margay does not know: a newer one wrote them, or another program did that has the same prefix or file. They
// are kept as they are, exported, and named to the operator, for nothing else here looks at them.

import { formatPrefix, parsePrefix } from '../../inet/index.ts'
import { clusterIdentity, type Datastore, deletion, type Entry, lockKind } from '../datastore/contract.ts'
import { handoverKind, readHandover } from '../model/handover.ts'
import { readTunnelUse, tunnelUseKind } from '../model/tunnel-use.ts'
import { allKinds, isObjectName } from '../resources/index.ts'
import { firstOf, show } from '../resources/problem.ts'
import { isMap } from './address-row.ts'
import { allEntries } from './claims.ts'
import { decommissionKind } from './decommission.ts'
import {
  blockKind,
  blockName,
  blockOfEntry,
  copyKind,
  isBlock,
  misnamedBlock,
  nodeOfCopy,
  prefixOfName,
} from './records.ts'
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

/** Of records that are no resources: what they have to be. Undefined is answered for those that are not. */
const readers: Readonly<Record<string, (entry: Entry) => unknown>> = {
  [blockKind]: blockOfEntry,
  [copyKind]: ({ value }) => nodeOfCopy(value),
  [handoverKind]: ({ name, value }) => readHandover(name, value),
  [tunnelUseKind]: ({ name, value }) => readTunnelUse(name, value),
}

/** Whether a record of one of these kinds is none of its kind. */
export function isStrange(entry: Entry): boolean {
  const read = readers[entry.kind]
  return read !== undefined && read(entry) === undefined
}

/** Why such a record cannot be read, and the next step, without a full stop. */
export function strangeRecord(entry: Pick<Entry, 'kind' | 'name' | 'value'>): string {
  const { kind, name } = entry
  const block = kind === blockKind ? misnamedBlock(entry) : undefined
  const size = kind === blockKind && isTooLarge(entry.value) ? ', or a prefix larger than any' : ''
  const why = block ? whyMisnamed(name, block) : (whyNobodys(entry) ?? `it has not the fields of one${size}`)
  return `${why}. Find out what wrote it, and delete the record: ${deletion(kind, name)}`
}

/** Of a record that says whose it is. */
function whyNobodys({ kind, value }: Pick<Entry, 'kind' | 'value'>): string | undefined {
  const node = (kind === blockKind || kind === copyKind) && isMap(value) ? value.node : undefined
  if (typeof node !== 'string' || isObjectName(node)) return undefined
  return `it says that it is node ${show(node)}'s, and no Node can have that name`
}

function isTooLarge(value: unknown): boolean {
  const prefix = isMap(value) && typeof value.cidr === 'string' ? parsePrefix(value.cidr) : undefined
  return prefix !== undefined && !isBlock(prefix)
}

function whyMisnamed(name: string, { cidr, node, prefix }: NonNullable<ReturnType<typeof misnamedBlock>>): string {
  const kept = prefixOfName(name)
  const meanwhile = kept ? `, and until it is deleted nobody can claim ${formatPrefix(kept)}` : ''
  return `it says that node "${show(node)}" has block ${cidr}, whose record is called ${blockName(prefix)}. Nobody has a block by it${meanwhile}`
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
  return `this Margay knows no such kind, so a newer one wrote these records, or another program: ${firstOf(names, shown)}. They stay as they are. If nobody needs them: ${deletion(kind, first)}${more.length > 0 ? ', and so on' : ''}.`
}

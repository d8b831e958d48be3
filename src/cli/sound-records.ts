// Whether the records of a file may be written, all of which is asked before any of them is: of resources what `apply` asks, of blocks and
// copies that they are called as they are found, and of blocks that no two nodes have one address.

import { isDeepStrictEqual } from 'node:util'
import { comparePrefixes, overlaps } from '../../inet/index.ts'
import { type Datastore, lockKind } from '../datastore/contract.ts'
import { allEntries, type ClaimedBlock } from '../ipam/claims.ts'
import { isStrange } from '../ipam/known-kinds.ts'
import { outsideName } from '../ipam/outside.ts'
import { blockKind, blockName, copyKind, misnamedBlock, nodeOfCopy, prefixOfCopy, readBlock } from '../ipam/records.ts'
import {
  allKinds,
  type AnyResource,
  firstOf,
  formatProblem,
  keyOf,
  nameOf,
  printable,
  readStored,
  validateAll,
} from '../resources/index.ts'
import { CommandError, shownLines } from './output.ts'
import { readAll, unreadText } from './stored-resources.ts'

/** A line of an export. */
export interface ExportedRecord {
  readonly kind: string
  readonly name: string
  readonly value: unknown
  /** Of the file, from 1. */
  readonly line: number
}

/** The lock of a store is that store's, and signs of life are no records: neither is exported, nor written. */
export function isOfOneStore({ kind }: ExportedRecord): boolean {
  return kind === lockKind || kind.startsWith('~')
}

/**
 * Throws `CommandError` unless all of them are. `store`: the one with a cluster that they go into; undefined: they become one of their own.
 * Such a cluster had in it what does not fit together, and lives with it: that is answered, as sentences, and keeps nobody from putting
 * back what he has. `file`: its name to show.
 */
export async function requireSound(
  store: Datastore | undefined,
  all: readonly ExportedRecord[],
  file: string,
): Promise<readonly string[]> {
  const records = all.filter(record => !isOfOneStore(record))
  const at = ({ kind, name, line }: ExportedRecord, what: string): string =>
    `${file}:${line}: ${nameOf(kind, name)}: ${printable(what)}`
  const { resources, problems } = readResources(records)
  refuse([
    ...records.flatMap(record => unstorable(record).map(what => at(record, what))),
    ...twice(records).map(([record, first]) => at(record, `line ${first.line} has that name, too`)),
    ...problems.map(([record, what]) => at(record, what)),
    ...records.flatMap(record => strange(record).map(what => at(record, what))),
    ...rivals(records).map(([record, what]) => at(record, what)),
  ])
  const { resources: existing, unread } = store ? await readAll(store, allKinds) : { resources: [], unread: [] }
  const named = new Set(records.map(({ kind, name }) => nameOf(kind, name)))
  const inTheWay = unread.filter(each => each.isNewer || (named.has(each.object) && each.version === undefined))
  const unreadable = store ? await unreadableOf(store, records) : []
  const before = new Map(existing.map(each => [keyOf(each), each]))
  const written = [...resources.keys()].filter(resource => !isSame(before.get(keyOf(resource)), resource))
  const misfits = validateAll(existing, written).map(({ resource, problem }) =>
    formatProblem({ ...problem, place: { file, line: resources.get(resource)?.line ?? 1, column: 1 } }),
  )
  refuse([...inTheWay.map(unreadText), ...unreadable, ...(store ? misfits : [])])
  return misfits
}

function refuse(problems: readonly string[]): void {
  if (problems.length === 0) return
  const next =
    'Nothing was written: put that right where it was exported, or in the file, whose last line counts the others.'
  throw new CommandError(1, `${firstOf(problems, shownLines, '\n')}\n${next}`)
}

function isSame(before: AnyResource | undefined, resource: AnyResource): boolean {
  if (!before) return false
  const { resourceVersion: _, ...metadata } = before.metadata
  return isDeepStrictEqual({ ...before, metadata }, resource)
}

type Found = readonly [record: ExportedRecord, what: string]

function readResources(records: readonly ExportedRecord[]) {
  const resources = new Map<AnyResource, ExportedRecord>()
  const problems: Found[] = []
  for (const record of records) {
    const kind = allKinds.find(each => each === record.kind)
    if (!kind) continue
    const stored = readStored(kind, record)
    if (stored.ok) resources.set(stored.resource, record)
    else problems.push([record, stored.why])
  }
  return { resources, problems }
}

/** A kind is a folder of the store, and what begins beyond `}` is none of a cluster's. */
function unstorable({ kind, name }: ExportedRecord): readonly string[] {
  if (!/^[!-}][^/]*$/.test(kind)) return ['that is no kind of a record']
  return name === '' ? ['a record has a name'] : []
}

function twice(records: readonly ExportedRecord[]): readonly (readonly [ExportedRecord, ExportedRecord])[] {
  const groups = Map.groupBy(records, ({ kind, name }) => JSON.stringify([kind, name]))
  return [...groups.values()].flatMap(([first, ...more]) => more.map(record => [record, first] as const))
}

/** Blocks and copies are found by their names. */
function strange(record: ExportedRecord): readonly string[] {
  const { kind, name, value } = record
  const block = kind === blockKind ? misnamedBlock(record) : undefined
  if (block) return [`the block ${block.cidr} is called ${blockName(block.prefix)}`]
  if (isStrange({ ...record, version: '' as never })) return ['it has not the fields of a record of its kind']
  const node = kind === copyKind ? nodeOfCopy(value) : undefined
  if (node === undefined) return []
  const prefix = prefixOfCopy(value)
  const called = prefix ? blockName(prefix) : outsideName(node)
  return name === called ? [] : [`such a copy of node "${node}" is called ${called}`]
}

/** Blocks that overlap lie within each other, so in their order those around one are those before it. */
function rivals(records: readonly ExportedRecord[]): readonly Found[] {
  const blocks = records.flatMap(record => {
    const block = record.kind === blockKind ? readBlock(record.value) : undefined
    return block ? [{ record, block }] : []
  })
  const around: ClaimedBlock[] = []
  return blocks
    .toSorted((a, b) => comparePrefixes(a.block.prefix, b.block.prefix))
    .flatMap(({ record, block }): Found[] => {
      while (around.length > 0 && !around.slice(-1).every(({ prefix }) => overlaps(prefix, block.prefix))) around.pop()
      const other = around.find(({ node }) => node !== block.node)
      around.push(block)
      if (!other) return []
      const what = `it is node "${block.node}"'s, and ${other.cidr}, which holds it, is node "${other.node}"'s: both would give the same addresses`
      return [[record, what]]
    })
}

/** What is no resource and cannot be read stays as it is, so an import would end there. */
async function unreadableOf(store: Datastore, records: readonly ExportedRecord[]): Promise<readonly string[]> {
  const others = Map.groupBy(records, ({ kind }) => kind)
  for (const kind of allKinds) others.delete(kind)
  const found: string[] = []
  for (const [kind, of] of others) {
    const names = new Set(of.map(({ name }) => name))
    for (const { name, unreadable } of await allEntries(store, kind))
      if (unreadable !== undefined && names.has(name))
        found.push(unreadText({ object: nameOf(kind, name), why: unreadable }))
  }
  return found
}

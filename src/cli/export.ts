// `margayctl export` and `import`: all records of a cluster as lines of JSON, and back, to move it into another datastore, or to keep it.
//
// The cluster's identity goes along, so daemons that knew the old store take the new one for theirs. The lock does not.

import { existsSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { Command } from 'commander'
import {
  clusterIdentity,
  type Datastore,
  type Entry,
  lockKind,
  StoreError,
  type UnfinishedImport,
  unfinishedImport,
} from '../datastore/contract.ts'
import { overlaps } from '../../inet/index.ts'
import { allBlocks, allEntries, type ClaimedBlock } from '../ipam/claims.ts'
import { blockKind, copyKind, nodeOfCopy, prefixOfCopy, readBlock } from '../ipam/records.ts'
import { firstOf, nameOf } from '../resources/index.ts'
import { type Context, withDatastore } from './context.ts'
import { type CalicoAccess, importFromCalico } from './import-calico.ts'
import { CommandError, print } from './output.ts'
import { type ExportedRecord, isOfOneStore, requireSound } from './sound-records.ts'

interface ImportOptions extends Omit<CalicoAccess, 'endpoints'> {
  readonly force?: boolean
  readonly fromCalicoEtcd?: string
  readonly dryRun?: boolean
}

const head = { margayExport: 1 } as const
/** The last line: a file that was cut at the end of a line would lack blocks, which others could then claim. */
const tail = (records: number) => ({ records })
const identityKind = clusterIdentity.kind
/** Records that are named one by one. */
const SHOWN = 3

export function registerExport(program: Command, context: Context): void {
  program
    .command('export')
    .description('every record of the cluster as JSON, a line each, on standard output')
    .action(() =>
      withDatastore(context, async store => {
        for await (const line of exportAll(store)) process.stdout.write(`${line}\n`)
      }),
    )

  program
    .command('import')
    .argument('[file]', 'what export wrote; - is standard input')
    .option(
      '--force',
      'also into a datastore that holds a cluster: what has the same name is replaced, but for who has which addresses',
    )
    .option('--from-calico-etcd <endpoints>', "instead of a file: the resources in Calico's etcd, https://HOST:PORT,…")
    .option('--dry-run', 'only say what would be done')
    .option('--ca <file>', "who signed the certificates of Calico's etcd")
    .option('--cert <file>', 'client certificate for it')
    .option('--key <file>', 'its key')
    .option('--username <name>', 'user of it')
    .option('--password-file <file>', "that user's password")
    .description('write every record of an export, as into a new datastore; or the resources of a Calico cluster')
    .action(
      async (file: string | undefined, { force = false, fromCalicoEtcd, dryRun = false, ...access }: ImportOptions) => {
        if ((file === undefined) === (fromCalicoEtcd === undefined))
          throw new CommandError(
            2,
            'import needs a file that export wrote, or --from-calico-etcd ENDPOINTS, and not both',
          )
        if (fromCalicoEtcd !== undefined)
          return importFromCalico(context, { endpoints: fromCalicoEtcd, ...access }, { dryRun, force })
        if (file === undefined) return
        const shown = file === '-' ? 'standard input' : file
        const records = readExport(read(file), shown)
        const tell = (counts: Imported): void =>
          print(context.format(), counts, () => `${importedText(counts)}${dryRun ? '\nnothing is written yet' : ''}`)
        const { datastore } = context.config()
        // What is only asked begins no store.
        if (dryRun && datastore.type === 'embedded' && !existsSync(datastore.path))
          return tell(await importNowhere(records, shown))
        // A store that has nothing but the file's records has no say; and what is refused begins none.
        const misfits = force ? [] : await requireSound(undefined, records, shown)
        await withDatastore(
          context,
          async store => {
            if (force) await requireSound(store, records, shown)
            tell(await importAll(store, records, { force, write: !dryRun }))
            warn(misfits, { dryRun })
          },
          { create: !dryRun },
        )
      },
    )
}

/** What an import would do to a store that is still to begin. */
async function importNowhere(records: readonly ExportedRecord[], file: string): Promise<Imported> {
  warn(await requireSound(undefined, records, file), { dryRun: true })
  const { written, left } = parted(records)
  return { created: written.length, replaced: 0, same: 0, kept: [], ...left }
}

/** What the cluster of the file lived with: written nevertheless. */
function warn(misfits: readonly string[], { dryRun }: { readonly dryRun: boolean }): void {
  if (misfits.length === 0) return
  const what = dryRun
    ? 'it would be written as the file has it: put it right in the file before, or with margayctl apply after'
    : 'written as the file has it: put it right with margayctl apply'
  process.stderr.write(`${firstOf(misfits, SHOWN, '\n')}\n${what}\n`)
}

function importedText({ created, replaced, same, kept, left = [], isOtherCluster }: Imported): string {
  const named = (list: readonly string[]) =>
    `${firstOf(list, SHOWN)}${list.length > SHOWN ? ' (-o json names all)' : ''}`
  return [
    `${created} created, ${replaced} replaced, ${same} equal`,
    ...(isOtherCluster
      ? [
          '; the datastore held another cluster, and daemons of that one believe nothing of it now: put back an export of theirs, or stop them and remove their stateDir',
        ]
      : []),
    ...(kept.length > 0
      ? [
          `, ${kept.length} left as they are, for nodes give addresses by them: ${named(kept)}; to have the file's instead, take an empty datastore`,
        ]
      : []),
    ...(left.length > 0 ? [`; not written, as a lock and signs of life are no records: ${named(left)}`] : []),
  ].join('')
}

function read(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw new CommandError(2, `${file} cannot be read (${(error as NodeJS.ErrnoException).code}): check the path`)
  }
}

/** The identity first, as an import into the store of another cluster wants it. */
async function exportedKinds(store: Datastore): Promise<readonly string[]> {
  const others = (await store.kinds()).filter(kind => kind !== identityKind && kind !== lockKind)
  return [identityKind, ...others]
}

export async function* exportAll(store: Datastore): AsyncGenerator<string, void> {
  yield JSON.stringify(head)
  let count = 0
  for (const kind of await exportedKinds(store))
    for (let next: string | undefined, first = true; first || next !== undefined; first = false) {
      const page = await store.list(kind, { next })
      for (const { name, value, unreadable } of page.entries) {
        if (unreadable !== undefined)
          throw new CommandError(
            1,
            `${nameOf(kind, name)} in the datastore cannot be read, so what was printed is no whole export: ${unreadable}`,
          )
        if (unfinishedImport({ kind, value }))
          throw new CommandError(
            1,
            'an import into this datastore has begun and not ended, so what it holds is no whole cluster: run the same margayctl import again',
          )
        count++
        yield JSON.stringify({ kind, name, value } satisfies Omit<ExportedRecord, 'line'>)
      }
      next = page.next
    }
  yield JSON.stringify(tail(count))
}

/** Throws `CommandError`; `file` is the name to show. */
export function readExport(text: string, file: string): readonly ExportedRecord[] {
  const [first, ...lines] = text.split('\n').filter(line => line !== '')
  if (!isDeepStrictEqual(parse(first ?? '', file, 1), head))
    throw new CommandError(
      1,
      `${file} is no export of this version of Margay: its first line is not ${JSON.stringify(head)}`,
    )
  const last = lines.pop()
  if (last === undefined || !isDeepStrictEqual(parse(last, file, lines.length + 2), tail(lines.length)))
    throw new CommandError(
      1,
      `${file} is not whole: its last line is not ${JSON.stringify(tail(lines.length))}, the number of records before it; nothing was written; export again`,
    )
  return lines.map((line, i) => {
    const record = parse(line, file, i + 2) as Partial<ExportedRecord>
    const { kind, name, value } = record
    if (typeof kind !== 'string' || typeof name !== 'string')
      throw new CommandError(1, `${file}:${i + 2} is no record of Margay: nothing was written; export again`)
    return { kind, name, value, line: i + 2 }
  })
}

function parse(line: string, file: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new CommandError(1, `${file}:${number} is not JSON: nothing was written; export again`)
  }
}

/** How many records became what. */
export interface Imported {
  readonly created: number
  readonly replaced: number
  readonly same: number
  /** Left as the datastore has them, for they say who has which addresses: `block "10-42-0-0-26" (it is n2's)`. */
  readonly kept: readonly string[]
  /** Lines of the file that are written nowhere: what they say is of one store only. */
  readonly left?: readonly string[]
  /** The datastore held another cluster before. */
  readonly isOtherCluster?: true
}

/**
 * Without `force`, only into a store that has nothing else than what the file has, as an import that was broken off leaves it. With it,
 * what has the same name is replaced; but who has which addresses is never changed: nodes have given addresses by it since.
 */
export async function importAll(
  store: Datastore,
  all: readonly ExportedRecord[],
  { force, write = true }: { readonly force: boolean; readonly write?: boolean },
): Promise<Imported> {
  const { written: records, left } = parted(all)
  if (!force) await requireRoom(store, records)
  const blocks = await allBlocks(store)
  const kept: string[] = []
  let isOtherCluster: true | undefined
  const counts = { created: 0, replaced: 0, same: 0 }
  const identity = await store.get(identityKind, clusterIdentity.name)
  const isNew = !identity || unfinishedImport(identity) !== undefined
  if (isNew && write) await begin(store, identity, records)
  for (const { kind, name, value } of isNew ? identityLast(records) : records) {
    const rival = rivalOf(blocks, kind, value)
    if (rival) {
      kept.push(`${nameOf(kind, name)} (${rival.cidr} is ${rival.node}'s)`)
      continue
    }
    const found = write ? await createOrFind(store, kind, name, value) : await store.get(kind, name)
    const owner = kind === blockKind && found ? readBlock(found.value)?.node : undefined
    if (!found || unfinishedImport(found)) {
      if (found && write) await store.update(kind, name, value, found.version)
      counts.created++
    } else if (isDeepStrictEqual(found.value, value)) counts.same++
    else if (kind === copyKind) kept.push(`${nameOf(kind, name)} (its node keeps it)`)
    // Claimed since the blocks were listed.
    else if (owner !== undefined && owner !== readBlock(value)?.node)
      kept.push(`${nameOf(kind, name)} (it is ${owner}'s)`)
    else {
      if (write) await store.update(kind, name, value, found.version)
      counts.replaced++
      if (kind === identityKind) isOtherCluster = true
    }
  }
  return { ...counts, kept, ...left, ...(isOtherCluster && { isOtherCluster }) }
}

/** What stands in the place of the identity until all is written. */
async function begin(store: Datastore, found: Entry | undefined, records: readonly ExportedRecord[]): Promise<void> {
  const own = records.find(({ kind }) => kind === identityKind)
  if (!own) return
  const marker: UnfinishedImport = { importOf: own.value }
  if (isDeepStrictEqual(found?.value, marker)) return
  if (found) await store.update(identityKind, clusterIdentity.name, marker, found.version)
  else await store.create(identityKind, clusterIdentity.name, marker)
}

/** What is of one store only stays with it. */
function parted(records: readonly ExportedRecord[]) {
  const left = records.filter(isOfOneStore).map(({ kind, name }) => nameOf(kind, name))
  return { written: records.filter(record => !isOfOneStore(record)), left: left.length > 0 ? { left } : {} }
}

/**
 * A store without an identity gets it last: until then no daemon believes what is there, so an import that ends half way takes nothing
 * from anybody. One that holds another cluster changes its identity first: what follows is no business of its daemons.
 */
function identityLast(records: readonly ExportedRecord[]): readonly ExportedRecord[] {
  const isIdentity = ({ kind }: ExportedRecord): number => Number(kind === identityKind)
  return records.toSorted((a, b) => isIdentity(a) - isIdentity(b))
}

/** The block of another node in the store that a block of the file, or that of a copy there, overlaps. */
function rivalOf(blocks: readonly ClaimedBlock[], kind: string, value: unknown): ClaimedBlock | undefined {
  const block = kind === blockKind ? readBlock(value) : undefined
  const node = kind === copyKind ? nodeOfCopy(value) : block?.node
  const prefix = kind === copyKind ? prefixOfCopy(value) : block?.prefix
  if (node === undefined || !prefix) return undefined
  return blocks.find(other => other.node !== node && overlaps(other.prefix, prefix))
}

async function createOrFind(store: Datastore, kind: string, name: string, value: unknown): Promise<Entry | undefined> {
  try {
    await store.create(kind, name, value)
    return undefined
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'exists') throw error
    return store.get(kind, name)
  }
}

async function requireRoom(store: Datastore, records: readonly ExportedRecord[]): Promise<void> {
  const wanted = new Map(records.map(({ kind, name, value }) => [`${kind}/${name}`, value]))
  const kinds = (await store.kinds()).filter(kind => kind !== lockKind)
  const own = records.find(record => record.kind === identityKind)
  const [theirs] = (await store.list(identityKind, { limit: 1 })).entries
  const begun = unfinishedImport(theirs)
  // Without an identity it is what was applied since a datastore was emptied, or before the first daemon.
  if (begun && !isDeepStrictEqual(begun.importOf, own?.value))
    throw new CommandError(
      1,
      'the import of another file into this datastore has begun and not ended: nothing was written; run that one again, or take an empty datastore',
    )
  if (theirs && !begun && !(own && isDeepStrictEqual(theirs.value, own.value)))
    throw new CommandError(
      1,
      `the datastore holds a cluster already (${kinds.join(', ')}): nothing was written; take an empty one, or replace what has the same name with --force`,
    )
  const others: string[] = []
  for (const kind of kinds.filter(each => !begun || each !== identityKind))
    for (const { name, value } of await allEntries(store, kind))
      if (!isDeepStrictEqual(wanted.get(`${kind}/${name}`), value)) others.push(nameOf(kind, name))
  if (others.length > 0)
    throw new CommandError(
      1,
      `the datastore holds ${theirs ? 'this cluster' : 'records already'}, and ${others.length} of its records are not in the file, or other there (${firstOf(others, SHOWN)}): nothing was written; put single resources back with margayctl apply, take an empty datastore, or replace what has the same name with --force, which leaves who has which addresses`,
    )
}

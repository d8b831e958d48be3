// `margayctl import --from-calico-etcd`: the resources of a Calico cluster, read out of its etcd and never written there. All that can be
// taken is written, or nothing: where the datastore fails amid it, the same command goes on from there.

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Datastore, StoreError } from '../datastore/contract.ts'
import { readForeignEtcd } from '../datastore/foreign-etcd.ts'
import {
  calicoPrefix,
  type CalicoStore,
  type Conversion,
  fromCalico,
  meantOf,
  readCalicoKeys,
  withoutPoolsInUse,
} from '../resources/calico/index.ts'
import {
  allKinds,
  type AnyResource,
  firstOf,
  formatProblem,
  keyOf,
  kinds,
  printable,
  whatFits,
} from '../resources/index.ts'
import { type Context, withDatastore } from './context.ts'
import { CommandError, cutLines, print } from './output.ts'
import { changeOf, put, readAll, unreadTexts } from './stored-resources.ts'

/** How Calico's etcd is reached; paths of files. */
export interface CalicoAccess {
  /** With commas between them, as in Calico's ETCD_ENDPOINTS. */
  readonly endpoints: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly username?: string
  readonly passwordFile?: string
}

/** What became of one object, or would. */
export interface Imported extends Omit<Conversion, 'resource'> {
  readonly does: 'create' | 'replace' | 'equal' | 'differs' | 'not taken'
}

export interface CalicoImport {
  readonly objects: readonly Imported[]
  /** Keys of Calico's that cannot be read. */
  readonly unreadable: readonly string[]
  /** Keys of Calico's that are no resources, by what they are. */
  readonly others: CalicoStore['others']
}

/** The verb. */
export async function importFromCalico(
  context: Context,
  access: CalicoAccess,
  { dryRun, force }: { readonly dryRun: boolean; readonly force: boolean },
): Promise<void> {
  const calico = await readCalico(access).catch((error: unknown) => {
    if (error instanceof StoreError) throw new CommandError(1, `Calico's etcd: ${error.message}`)
    throw error
  })
  const tell = (done: CalicoImport): void => {
    const held = done.objects.filter(({ does }) => does === 'differs').map(({ object }) => printable(object))
    print(context.format(), done, () => importText(done))
    if (held.length > 0)
      throw new CommandError(
        1,
        `${held.join(', ')}: the datastore has another of that name: nothing was written; --force replaces what is there`,
      )
    if (context.format() === 'table') process.stdout.write(dryRun ? 'nothing is written yet\n' : 'written\n')
  }
  const { datastore } = context.config()
  // What is only asked begins no store.
  if (dryRun && datastore.type === 'embedded' && !existsSync(datastore.path))
    return tell(beside([], calico, force).told)
  await withDatastore(context, async store => tell(await importCalico(store, calico, { write: !dryRun, force })), {
    create: !dryRun,
  })
}

/** Fails with a StoreError or a CommandError. */
export async function readCalico(access: CalicoAccess): Promise<CalicoStore> {
  const { username, passwordFile } = access
  const endpoints = access.endpoints.split(',').map(each => each.trim())
  for (const endpoint of endpoints)
    if (!/^(https?:\/\/[^\s/]+:\d+|unix:\/\S+)$/.test(endpoint))
      throw new CommandError(2, `${endpoint} is no endpoint of etcd: write it like https://10.0.0.11:2379`)
  if ((username === undefined) !== (passwordFile === undefined))
    throw new CommandError(2, 'a user of etcd has a name and a password: give both --username and --password-file')
  const inFull = (path: string | undefined) => (path === undefined ? undefined : resolve(path))
  const [ca, cert, key] = [inFull(access.ca), inFull(access.cert), inFull(access.key)]
  const keys = await readForeignEtcd(
    {
      endpoints,
      pageSize: 500,
      timeout: 10_000,
      ...((ca ?? cert ?? key) && { tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } }),
      ...(username !== undefined && { auth: { username, passwordFile: inFull(passwordFile) } }),
    },
    calicoPrefix,
  )
  if (keys.length === 0)
    throw new CommandError(
      3,
      `the etcd at ${access.endpoints} has no keys below ${calicoPrefix}: is Calico's datastore Kubernetes (then: calicoctl get -o yaml, and margayctl apply)?`,
    )
  return readCalicoKeys(keys)
}

/**
 * What an import would do, and with `write` does, if nothing stands in its way. `force`: objects of the same name that differ are replaced.
 * Answers what was done, or would be.
 */
export async function importCalico(
  store: Datastore,
  calico: CalicoStore,
  { write, force }: { readonly write: boolean; readonly force: boolean },
): Promise<CalicoImport> {
  const { resources: existing, unread } = await readAll(store, allKinds)
  if (unread.length > 0) throw new CommandError(1, `${unreadTexts(unread)}\nNothing was written.`)
  const { planned, told } = beside(existing, calico, force)
  const isHeld = told.objects.some(({ does }) => does === 'differs')
  if (!write || isHeld) return told
  const writes = planned.flatMap(({ conversion: { resource }, change }) =>
    resource && change && change.do !== 'nothing' ? [{ resource, change }] : [],
  )
  for (const [done, { resource, change }] of writes.entries()) {
    try {
      await put(store, resource, change)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      throw new CommandError(
        1,
        `${keyOf(resource)}: ${error.message}\n${done} of ${writes.length} objects are written; the same command goes on from there.`,
      )
    }
  }
  return told
}

/** What an import would do beside the resources that are there, and how that is told. */
function beside(existing: readonly AnyResource[], calico: CalicoStore, force: boolean) {
  const conversions = meantOf(calico.objects).map(({ object, why }) =>
    why === undefined
      ? withoutPoolsInUse(fromCalico(object), calico.blocks)
      : { ...withoutResource(fromCalico(object)), changed: [], leftOut: [], why },
  )
  const fitting = withoutMisfits(conversions, existing)
  const before = new Map(existing.map(each => [keyOf(each), each]))
  const planned = fitting.map(conversion => ({ conversion, ...plan(conversion, before, force) }))
  const objects = planned.map(({ conversion, does, lost }) => {
    const { changed, ...rest } = withoutResource(conversion)
    return { ...rest, changed: [...changed, ...lost], does }
  })
  const told: CalicoImport = { objects, unreadable: calico.unreadable, others: calico.others }
  return { planned, told }
}

/** Objects that do not fit the others, there or here, are not taken. */
function withoutMisfits(conversions: readonly Conversion[], existing: readonly AnyResource[]): readonly Conversion[] {
  const problems = whatFits(
    existing,
    conversions.flatMap(({ resource }) => resource ?? []),
  )
  return conversions.map(conversion => {
    const problem = conversion.resource && problems.get(conversion.resource)
    if (!problem) return conversion
    const why = formatProblem(problem).replaceAll(/\s+/g, ' ')
    return { ...withoutResource(conversion), changed: [], leftOut: [], why }
  })
}

function withoutResource(conversion: Conversion): Omit<Conversion, 'resource'> {
  const { object, kind, why, changed, leftOut } = conversion
  return { object, kind, ...(why !== undefined && { why }), changed, leftOut }
}

function plan({ resource }: Conversion, before: ReadonlyMap<string, AnyResource>, force: boolean) {
  if (!resource) return { does: 'not taken', lost: [] } as const
  const old = before.get(keyOf(resource))
  const change = changeOf(resource, old)
  if (change.do === 'nothing') return { does: 'equal', change, lost: [] } as const
  if (change.do === 'create' || !old) return { does: 'create', change, lost: [] } as const
  return { does: force ? 'replace' : 'differs', change, lost: differences(old, change.value, force) } as const
}

/** Sentences: what stands there, and what Calico's object says instead. */
function differences(old: AnyResource, value: unknown, force: boolean): readonly string[] {
  const told = (leaf: unknown): string => (leaf === undefined ? 'nothing' : JSON.stringify(leaf))
  const [theirs, ours] = [leavesOf(value), leavesOf(old)]
  return [...new Set([...ours.keys(), ...theirs.keys()])]
    .filter(path => path !== 'metadata.resourceVersion' && told(ours.get(path)) !== told(theirs.get(path)))
    .map(
      path =>
        `${path}: ${told(ours.get(path))} there, ${told(theirs.get(path))} ${force ? 'from now on' : 'in Calico'}`,
    )
}

/** By their paths; a list is a leaf. */
function leavesOf(value: unknown, path = ''): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return new Map([[path, value]])
  const entries = Object.entries(value).flatMap(([key, each]) => [
    ...leavesOf(each, path === '' ? key : `${path}.${key}`),
  ])
  return new Map(entries)
}

const heads: { readonly [D in Imported['does']]: string } = {
  create: 'taken',
  replace: 'taken, in the place of another',
  equal: 'there already',
  differs: 'there already, and different',
  'not taken': 'not taken',
}

/** For people: every object, with what is not as Calico has it. Kinds without a counterpart are counted. */
export function importText({ objects, unreadable, others }: CalicoImport): string {
  const known = objects.filter(({ kind }) => Object.hasOwn(kinds, kind))
  const strange = Map.groupBy(
    objects.filter(object => !known.includes(object)),
    ({ kind }) => kind,
  )
  return [
    ...known.flatMap(({ object, does, why, changed, leftOut }) => [
      printable(`${object}: ${heads[does]}${why === undefined ? '' : `: ${why}`}`),
      ...changed.map(text => `  changed   ${printable(text)}`),
      ...leftOut.map(text => `  left out  ${printable(text)}`),
    ]),
    ...[...strange].map(([kind, of]) => printable(`${kind} (${of.length}): not taken: ${of[0].why ?? ''}`)),
    ...Object.entries(others).map(([is, keys]) =>
      printable(`${is} (${keys.length}): not taken: ${whyNotKeys(is, keys)}`),
    ),
    ...cutLines(unreadable.map(key => printable(`${key}: not taken: it cannot be read`))),
  ].join('\n')
}

/** Keys that are named one by one. */
const SHOWN = 3

function whyNotKeys(is: string, keys: readonly string[]): string {
  if (is !== 'other keys') return 'Calico keeps its own state there'
  return `no resources: ${firstOf(keys, SHOWN)}`
}

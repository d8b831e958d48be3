// `margayctl import --from-calico-etcd`: the resources of a Calico cluster, read out of its etcd and never written there. All that can be
// taken is written, or nothing.

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Datastore, StoreError } from '../datastore/contract.ts'
import { readForeignEtcd } from '../datastore/foreign-etcd.ts'
import {
  calicoPrefix,
  type CalicoStore,
  type Conversion,
  fromCalico,
  readCalicoKeys,
  withoutPoolsInUse,
} from '../resources/calico/index.ts'
import { allKinds, type AnyResource, formatProblem, kinds, validateAll } from '../resources/index.ts'
import { type Context, withDatastore } from './context.ts'
import { CommandError, print } from './output.ts'
import { changeOf, keyOf, put, readAll, unreadText } from './stored-resources.ts'

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
    const held = done.objects.filter(({ does }) => does === 'differs').map(({ object }) => object)
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
  if (unread.length > 0) throw new CommandError(1, `${unread.map(unreadText).join('\n')}\nNothing was written.`)
  const { planned, told } = beside(existing, calico, force)
  const isHeld = told.objects.some(({ does }) => does === 'differs')
  if (write && !isHeld)
    for (const { conversion, change } of planned)
      if (conversion.resource && change) await put(store, conversion.resource, change)
  return told
}

/** What an import would do beside the resources that are there, and how that is told. */
function beside(existing: readonly AnyResource[], calico: CalicoStore, force: boolean) {
  const conversions = calico.objects.map(object => withoutPoolsInUse(fromCalico(object), calico.blocks))
  const fitting = withoutMisfits(conversions, existing)
  const planned = fitting.map(conversion => ({ conversion, ...plan(conversion, existing, force) }))
  const objects = planned.map(({ conversion, does }) => ({ ...withoutResource(conversion), does }))
  const told: CalicoImport = { objects, unreadable: calico.unreadable }
  return { planned, told }
}

/** Objects that do not fit the others, there or here, are not taken. */
function withoutMisfits(conversions: readonly Conversion[], existing: readonly AnyResource[]): readonly Conversion[] {
  for (let taken = conversions; ;) {
    const written = taken.flatMap(({ resource }) => resource ?? [])
    const [misfit] = validateAll(existing, written)
    if (!misfit) return taken
    taken = taken.map(conversion => {
      if (conversion.resource !== misfit.resource) return conversion
      return { ...withoutResource(conversion), why: formatProblem(misfit.problem).replaceAll(/\s+/g, ' ') }
    })
  }
}

function withoutResource(conversion: Conversion): Omit<Conversion, 'resource'> {
  const { object, kind, why, changed, leftOut } = conversion
  return { object, kind, ...(why !== undefined && { why }), changed, leftOut }
}

function plan({ resource }: Conversion, existing: readonly AnyResource[], force: boolean) {
  if (!resource) return { does: 'not taken' } as const
  const change = changeOf(
    resource,
    existing.find(each => keyOf(each) === keyOf(resource)),
  )
  if (change.do === 'nothing') return { does: 'equal', change } as const
  if (change.do === 'create') return { does: 'create', change } as const
  return { does: force ? 'replace' : 'differs', change } as const
}

const heads: { readonly [D in Imported['does']]: string } = {
  create: 'taken',
  replace: 'taken, in the place of another',
  equal: 'there already',
  differs: 'there already, and different',
  'not taken': 'not taken',
}

/** For people: every object, with what is not as Calico has it. Kinds without a counterpart are counted. */
export function importText({ objects, unreadable }: CalicoImport): string {
  const known = objects.filter(({ kind }) => Object.hasOwn(kinds, kind))
  const strange = Map.groupBy(
    objects.filter(object => !known.includes(object)),
    ({ kind }) => kind,
  )
  return [
    ...known.flatMap(({ object, does, why, changed, leftOut }) => [
      `${object}: ${heads[does]}${why === undefined ? '' : `: ${why}`}`,
      ...changed.map(text => `  changed   ${text}`),
      ...leftOut.map(text => `  left out  ${text}`),
    ]),
    ...[...strange].map(([kind, of]) => `${kind} (${of.length}): not taken: ${of[0].why ?? ''}`),
    ...unreadable.map(key => `${key}: not taken: it cannot be read`),
  ].join('\n')
}

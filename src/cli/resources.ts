// `margayctl get`, `apply`, `delete`: the cluster's resources, straight from and to the datastore. They work without any daemon.

import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import type { ClusterStore, Datastore } from '../datastore/contract.ts'
import { allBlocks } from '../ipam/claims.ts'
import type { BlockRecord } from '../ipam/records.ts'
import {
  allKinds,
  type AnyResource,
  formatProblem,
  formatResources,
  type Kind,
  keyOf,
  kindNamed,
  kinds,
  type ParsedFile,
  parseResources,
  type Problem,
  validateAll,
} from '../resources/index.ts'
import { type Context, withDatastore } from './context.ts'
import { columnsOf } from './columns.ts'
import { listed, livenessColumns } from './node-list.ts'
import { type Column, CommandError, cutLines, table } from './output.ts'
import { changeOf, put, readAll, resourceOf, type Unread, unreadText, unreadTexts } from './stored-resources.ts'

export function registerResources(program: Command, context: Context): void {
  program
    .command('get')
    .argument(
      '<kind>',
      `what: ${Object.values(kinds)
        .map(({ plural }) => plural)
        .join(', ')}`,
    )
    .argument('[name]', 'one object')
    .description('show resources')
    .action(async (word: string, name: string | undefined) => {
      const kind = kindOf(word)
      await withDatastore(context, async store => {
        const { resources: found, unread } =
          name === undefined
            ? await readAll(store, [kind])
            : { resources: [await getOne(store, kind, name)], unread: [] }
        if (context.format() !== 'table')
          process.stdout.write(formatResources(found, context.format() === 'json' ? 'json' : 'yaml'))
        else if (found.length === 0 && unread.length === 0) process.stdout.write(`no ${kinds[kind].plural}\n`)
        else if (found.length > 0) process.stdout.write(`${table(await columnsFor(kind, store), found)}\n`)
        const texts = unread.map(unreadText)
        const shown = context.format() === 'table' ? cutLines(texts) : texts
        if (shown.length > 0) throw new CommandError(1, shown.join('\n'))
      })
    })

  program
    .command('apply')
    .requiredOption('-f, --file <file...>', 'YAML or JSON files; - reads standard input')
    .description('create or change resources; nothing is written unless all of them are sound')
    .action(async ({ file }: { file: string[] }) => {
      await withDatastore(context, store => apply(store, file), { create: true })
    })

  program
    .command('delete')
    .argument('[kind]', 'what')
    .argument('[name]', 'which object')
    .option('-f, --file <file...>', 'delete what these files name')
    .option('--force', 'pools and nodes that have blocks, too')
    .description('delete resources')
    .action(async (word: string | undefined, name: string | undefined, options: { file?: string[]; force?: true }) => {
      const { file, force } = options
      const targets = file
        ? (await readFiles(file)).resources.map(({ kind, metadata }) => ({ kind, name: metadata.name }))
        : one(word, name)
      await withDatastore(context, async store => {
        const guarded = force ? [] : targets.filter(({ kind }) => kind === 'IPPool' || kind === 'Node')
        const blocks = guarded.length > 0 ? await allBlocks(store) : []
        for (const { kind, name } of guarded) {
          if (kind === 'IPPool') mustBeUnused(blocks, name)
          else mustBeEmpty(blocks, name)
        }
        for (const { kind, name } of targets) {
          await store.delete(kind, name)
          process.stdout.write(`${kind.toLowerCase()} "${name}" deleted\n`)
        }
      })
    })
}

/** Nodes with what they say of themselves in the datastore: who reads the list wants to know which of them are there. */
async function columnsFor(kind: Kind, store: ClusterStore): Promise<readonly Column<AnyResource>[]> {
  if (kind !== 'Node') return columnsOf(kind)
  const signs = new Map((await store.signs()).map(sign => [sign.name, sign]))
  const [name, ...more] = columnsOf(kind)
  const liveness = livenessColumns(Date.now()).map((column): Column<AnyResource> => ({
    ...column,
    cell: ({ metadata }) => column.cell(listed(metadata.name, signs.get(metadata.name), true)),
  }))
  return [name, ...liveness, ...more]
}

/** Packets of pods whose pool goes lose its encapsulation and NAT at once: nobody shall find that out by deleting it. */
function mustBeUnused(all: readonly BlockRecord[], pool: string): void {
  const blocks = all.filter(block => block.pool === pool)
  if (blocks.length === 0) return
  const owners = Map.groupBy(blocks, ({ node }) => node)
  const list = [...owners].map(([node, { length }]) => `${node} (${length})`).join(', ')
  throw new CommandError(
    1,
    `ippool "${pool}" has blocks on ${list}: without it their pods would lose its encapsulation, natOutgoing and source check at once. Set disabled: true, or, where it is the last of its family, assignmentMode: Manual, so that no pod gets an address of it any more, and delete it when the last one has ended; or give --force`,
  )
}

/** Nor that a node without its Node has no session, so that its pods are cut off at once. */
function mustBeEmpty(all: readonly BlockRecord[], node: string): void {
  const { length } = all.filter(block => block.node === node)
  if (length > 0)
    throw new CommandError(
      1,
      `node "${node}" has ${length} ${length === 1 ? 'block' : 'blocks'}: without its Node it has no BGP session, and its pods are cut off at once. If the machine goes for good: margayctl node decommission ${node}; or give --force`,
    )
}

function one(word: string | undefined, name: string | undefined): { readonly kind: Kind; readonly name: string }[] {
  if (word === undefined || name === undefined)
    throw new CommandError(
      2,
      'delete needs a kind and a name, like: margayctl delete bgppeer tor1, or a file: margayctl delete -f FILE',
    )
  return [{ kind: kindOf(word), name }]
}

function kindOf(word: string): Kind {
  const kind = kindNamed(word)
  if (kind) return kind
  throw new CommandError(2, `${word} is no kind of resource: the kinds are ${Object.keys(kinds).join(', ')}`)
}

// ---- reading ---------------------------------------------------------------------------------------------------

async function getOne(store: Datastore, kind: Kind, name: string): Promise<AnyResource> {
  const entry = await store.get(kind, name)
  if (!entry)
    throw new CommandError(
      3,
      `${kind.toLowerCase()} "${name}" does not exist: margayctl get ${kinds[kind].plural} lists what there is`,
    )
  return resourceOf(kind, entry)
}

// ---- writing ---------------------------------------------------------------------------------------------------

interface WrittenResources {
  readonly resources: AnyResource[]
  /** The problem with the place of what it is about. */
  readonly place: (resource: AnyResource, problem: Problem) => Problem
}

/** Every sound resource of the files; all problems at once end the command. */
async function readFiles(files: readonly string[]): Promise<WrittenResources> {
  const parsed: ParsedFile[] = []
  for (const file of files) parsed.push(parseResources(await readText(file), file === '-' ? 'standard input' : file))
  refuse(parsed.flatMap(each => each.problems))
  return {
    resources: parsed.flatMap(each => each.resources),
    place: (resource, problem) => {
      const source = parsed.find(each => each.resources.includes(resource))
      return source ? { ...problem, place: source.placeOf(resource, problem.path) } : problem
    },
  }
}

async function readText(file: string): Promise<string> {
  try {
    return file === '-' ? await text(process.stdin) : readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(2, `${file} cannot be read (${(error as NodeJS.ErrnoException).code}): check the path`)
  }
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new CommandError(1, `${problems.map(formatProblem).join('\n')}\nNothing was applied.`)
}

async function apply(store: Datastore, files: readonly string[]): Promise<void> {
  const { resources, place } = await readFiles(files)
  const { resources: existing, unread } = await readAll(store, allKinds)
  refuseUnread(unread, new Set(resources.map(keyOf)))
  refuse(validateAll(existing, resources).map(({ resource, problem }) => place(resource, problem)))
  for (const resource of resources) {
    const before = existing.find(each => keyOf(each) === keyOf(resource))
    const spoiled = unread.find(({ object }) => object === keyOf(resource))
    const change = changeOf(resource, before, spoiled?.version)
    process.stdout.write(`${keyOf(resource)} ${await put(store, resource, change)}\n`)
  }
}

/**
 * What cannot be read is in force nowhere, so it stands in nobody's way, and is written over by who applies it anew. But what a newer
 * Margay wrote is in force on others, and what somebody else wrote stays as it is.
 */
function refuseUnread(unread: readonly Unread[], applied: ReadonlySet<string>): void {
  const inTheWay = unread.filter(each => each.isNewer || (applied.has(each.object) && each.version === undefined))
  if (inTheWay.length > 0) throw new CommandError(1, `${unreadTexts(inTheWay)}\nNothing was applied.`)
  const others = unread.filter(({ object }) => !applied.has(object))
  if (others.length > 0) process.stderr.write(`margayctl: ${unreadTexts(others)}\n`)
}

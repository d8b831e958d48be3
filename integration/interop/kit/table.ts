// docs/interop.md: the matrix as the last runs found it. Each daemon's run writes its own column and leaves the others; what it
// writes depends on the outcome only, so a run that finds nothing new leaves the file as it is.

import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { tableRows } from '../../kit/markdown.ts'
import { daemons } from '../daemons/index.ts'
import { type FeatureName, featureNames, features } from '../features/index.ts'
import type { Daemon } from './daemon.ts'

export interface Outcome {
  readonly failed: boolean
  /** Why there is no test. */
  readonly lack?: string
}

const file = fileURLToPath(new URL('../../../docs/interop.md', import.meta.url))

/** A column: its head, and a cell for each feature's title. */
interface Column {
  readonly head: string
  readonly cells: ReadonlyMap<string, string>
}

const WORKS = '✔'
const FAILS = '✘'
const LACKS = '–'
const UNKNOWN = ''

export async function writeColumn(
  daemon: Daemon,
  version: string,
  outcomes: ReadonlyMap<FeatureName, Outcome>,
): Promise<void> {
  const before = await readTable()
  const cells = new Map(featureNames.map(name => [features[name].title, cellOf(outcomes.get(name))]))
  const columns = daemons.map(each =>
    each === daemon
      ? { head: `${daemon.title} ${version}`, cells }
      : (before.find(({ head }) => head.startsWith(`${each.title} `)) ?? { head: `${each.title} ?`, cells: new Map() }),
  )
  await writeFile(file, page(columns))
}

function cellOf(outcome: Outcome | undefined): string {
  if (!outcome) return UNKNOWN
  if (outcome.failed) return FAILS
  return outcome.lack === undefined ? WORKS : LACKS
}

/** Columns of the page as it is; none if there is no page. */
export async function readTable(): Promise<Column[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const rows = tableRows(text)
  const [heads = [], , ...body] = rows
  return heads.slice(1).map((head, i) => ({
    head,
    // A footnote's number is not part of what was found.
    cells: new Map(body.map(row => [row[0], row[i + 1].replace(/<sup>.*<\/sup>/, '')])),
  }))
}

function page(columns: readonly Column[]): string {
  const notes: string[] = []
  /** Its number; one reason may hold for several cells of a daemon. */
  const numberOf = (note: string): number => {
    if (!notes.includes(note)) notes.push(note)
    return notes.indexOf(note) + 1
  }
  const rows = featureNames.map(name => {
    const { title } = features[name]
    const cells = columns.map(({ head, cells }, i) => {
      const cell = cells.get(title) ?? UNKNOWN
      const lack = daemons[i].lacks[name]
      return cell === LACKS && lack ? `${LACKS}<sup>${numberOf(`${head}: ${lack.reason}.`)}</sup>` : cell
    })
    return `| ${[title, ...cells].join(' | ')} |`
  })
  return [
    `# Interoperability`,
    ``,
    `Written by \`integration/interop/\`: \`bgp-speaker\` against the routers of Debian 12, each in a network namespace, both`,
    `ends asked what they have. Do not edit: \`npm test\` writes it anew.`,
    ``,
    `${WORKS} works, a test says so · ${FAILS} the last run failed · ${LACKS} no test, for the reason below`,
    ``,
    `| ${['', ...columns.map(({ head }) => head)].join(' | ')} |`,
    `|---${columns.map(() => '|:-:').join('')}|`,
    ...rows,
    ``,
    ...notes.map((note, i) => `${i + 1}. ${note}`),
    ``,
  ].join('\n')
}

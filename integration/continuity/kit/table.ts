// docs/continuity.md: a row an event, a column a fabric. A run writes its own column and leaves the others.
//
// Figures of unplanned events differ from run to run; the page follows only what is more than a fluctuation, so that a run that finds
// what the last one found leaves it as it is.

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { tableRows } from '../../kit/markdown.ts'
import { events } from '../events/index.ts'
import type { ContinuityEvent, Fabric } from './event.ts'

export interface Outcome {
  readonly failed: boolean
  /** Packets of the flow that lost most; absent: the event did not end. */
  readonly lost?: number
}

/** The columns, in order. */
export const fabrics = ['two racks, BIRD', 'two racks, FRR', 'dual ToR', 'full mesh', 'route reflectors'] as const

const file = fileURLToPath(new URL('../../../docs/continuity.md', import.meta.url))

const FAILS = '✘'
const UNTRIED = ''

type Cells = ReadonlyMap<string, string>

export function writeColumn(fabric: Fabric, outcomes: ReadonlyMap<string, Outcome>): void {
  if (!fabrics.some(name => name === fabric.name)) throw new Error(`table.ts does not list the fabric ${fabric.name}`)
  const before = readTable()
  const column = new Map(
    events.map(({ name }) => [name, cellOf(outcomes.get(name), before.get(fabric.name)?.get(name))]),
  )
  // Whole at every moment: two files of tests may run at once.
  const beside = `${file}.${process.pid}`
  writeFileSync(beside, page(new Map(before).set(fabric.name, column)))
  renameSync(beside, file)
}

function cellOf(outcome: Outcome | undefined, before: string | undefined): string {
  if (!outcome) return UNTRIED
  if (outcome.failed || outcome.lost === undefined) return FAILS
  const known = before === undefined || before === '' ? NaN : Number(before)
  return isFluctuation(known, outcome.lost) ? String(known) : String(outcome.lost)
}

function isFluctuation(known: number, lost: number): boolean {
  const [less, more] = [Math.min(known, lost), Math.max(known, lost)]
  return lost > 0 && known > 0 && (more <= 2 * less || more - less <= 50)
}

/** The page's columns by head, their cells by event; empty if there is no page. */
function readTable(): ReadonlyMap<string, Cells> {
  const [heads = [], , ...rows] = tableRows(text())
  return new Map(heads.map((head, i) => [head, new Map(rows.map(row => [row[0], row[i] ?? UNTRIED]))]))
}

function text(): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function page(columns: ReadonlyMap<string, Cells>): string {
  const row = ({ name, bound }: ContinuityEvent): string =>
    `| ${[name, ...fabrics.map(fabric => columns.get(fabric)?.get(name) ?? UNTRIED), bound].join(' | ')} |`
  const table = (title: string, last: string, rows: readonly ContinuityEvent[]): string[] => [
    `## ${title}`,
    ``,
    `| ${['event', ...fabrics, last].join(' | ')} |`,
    `|---|${fabrics.map(() => '--:|').join('')}---|`,
    ...rows.map(row),
    ``,
  ]
  return [
    `# Continuity: what running pods notice`,
    ``,
    `Written by \`integration/continuity/\`. Do not edit: \`npm test\` writes it anew. A pod on each of two nodes sends the other`,
    `1,000 packets a second, in both families, while the event happens. A figure is the packets lost of the flow that lost`,
    `most, so about the milliseconds without traffic; a figure above zero is written anew when it has doubled or halved. Empty:`,
    `not tried on that fabric. ${FAILS}: the last run failed.`,
    ``,
    ...table(
      'Planned',
      'why nothing is lost',
      events.filter(event => event.planned),
    ),
    ...table(
      'Unplanned',
      'what bounds it',
      events.filter(event => !event.planned),
    ),
  ].join('\n')
}

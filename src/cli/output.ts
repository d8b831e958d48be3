// How answers are printed: tables for people, JSON and YAML for programs.

import { stringify } from 'yaml'
import { firstLines } from '../resources/index.ts'

export type Format = 'table' | 'json' | 'yaml'

/** How a command ends (docs/cli.md): 0 ok, 1 failure, 2 wrong usage, 3 not found. */
export class CommandError extends Error {
  readonly exitCode: 1 | 2 | 3
  constructor(exitCode: 1 | 2 | 3, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Prints `value` as asked; `table` gives the text for people. */
export function print(format: Format, value: unknown, table: () => string): void {
  if (format === 'json') process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  else if (format === 'yaml') process.stdout.write(stringify(value))
  else process.stdout.write(`${table()}\n`)
}

/** Lines of a list that are shown, where many objects may have one fault. */
export const shownLines = 20
/** What follows how many more there are. */
export const seeAll = ' (-o json names all)'

/** The first of what `-o json` has all of, a line each. */
export function cutLines(lines: readonly string[]): readonly string[] {
  return firstLines(lines, shownLines, seeAll)
}

export interface Column<Row> {
  readonly head: string
  readonly cell: (row: Row) => string | number | undefined
  readonly align?: 'right'
}

/** Rows under heads, two blanks between columns; an empty cell is `-`. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map(row => columns.map(column => String(column.cell(row) ?? '') || '-'))
  const widths = columns.map((column, i) => Math.max(column.head.length, ...cells.map(row => row[i].length)))
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => (columns[i].align === 'right' ? text.padStart(widths[i]) : text.padEnd(widths[i])))
      .join('  ')
      .trimEnd()
  return [line(columns.map(column => column.head)), ...cells.map(line)].join('\n')
}

/** `4s`, `12m`, `3h07m`, `2d04h`: how long something is so. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (n: number): string => String(n).padStart(2, '0')
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`
  if (whole < 86400) return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`
  return `${Math.floor(whole / 86400)}d${two(Math.floor((whole % 86400) / 3600))}h`
}

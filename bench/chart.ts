// The chart of docs/performance.md: a row of bars for each scenario at its standard size, on a logarithmic scale.

import { competitors } from './contenders.ts'
import { median, type Result } from './results.ts'
import { scenarios } from './scenarios/index.ts'

const WIDTH = 860
const LEFT = 190
const RIGHT = 80
const BAR = 13
const GAP = 16
const TOP = 40
/** Seconds at both ends of the scale. */
const LEAST = 0.001
const MOST = 100

const colours: Readonly<Record<string, string>> = {
  margay: '#d9480f',
  bird: '#495057',
  frr: '#868e96',
  openbgpd: '#adb5bd',
  gobgp: '#ced4da',
}

export function chart(results: readonly Result[]): string {
  const rows = scenarios.flatMap(({ targets, sizes, standard }) =>
    Object.keys(targets).map(row => ({ row, size: sizes[standard].label })),
  )
  const parts: string[] = []
  let y = TOP
  for (const { row, size } of rows) {
    const bars = competitors.flatMap(({ name, title }) => {
      const found = results.find(each => each.row === row && each.size === size && each.device === name)
      return found && found.wall.length > 0 && median(found.wall) > 0
        ? [{ name, title, value: median(found.wall) }]
        : []
    })
    if (bars.length === 0) continue
    parts.push(words(LEFT - 12, y + 11, `${row}, ${size}`, 'end', true))
    for (const { name, title, value } of bars) {
      const end = at(value)
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${(end - LEFT).toFixed(1)}" height="${BAR - 2}" fill="${colours[name] ?? '#868e96'}"/>`,
        words(end + 5, y + 10, `${title} ${value < 1 ? `${(value * 1000).toFixed(0)} ms` : `${value.toFixed(1)} s`}`),
      )
      y += BAR
    }
    y += GAP
  }
  const grid = [0.001, 0.01, 0.1, 1, 10, 100].map(
    value =>
      `<line x1="${at(value)}" x2="${at(value)}" y1="${TOP - 8}" y2="${y}" stroke="#dee2e6"/>` +
      words(at(value), TOP - 14, value < 1 ? `${value * 1000} ms` : `${value} s`, 'middle'),
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    ...grid,
    ...parts,
    `</svg>`,
    ``,
  ].join('\n')
}

function at(value: number): number {
  const share = Math.log(Math.max(value, LEAST) / LEAST) / Math.log(MOST / LEAST)
  return LEFT + Math.min(1, share) * (WIDTH - LEFT - RIGHT)
}

function words(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end' = 'start', bold = false): string {
  const weight = bold ? ' font-weight="bold"' : ''
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}" fill="#212529"${weight}>${text}</text>`
}

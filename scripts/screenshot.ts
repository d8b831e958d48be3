// Turns what a terminal shows (colours and all, on standard input) into an SVG on standard output, for the README:
//
//     script -qec 'npm run -s demo' /dev/null | node scripts/screenshot.ts > docs/demo.svg

import { text } from 'node:stream/consumers'

const cell = { width: 7.8, height: 17, margin: 16 } as const
const escape = String.fromCharCode(27)
const sequence = new RegExp(`(${escape}\\[[\\d;?]*[A-Za-z])`)
const colors: Readonly<Record<number, string>> = { 31: '#ff7b72', 32: '#3fb950', 33: '#d29922', 36: '#39c5cf' }

interface Style {
  readonly bold?: boolean
  readonly dim?: boolean
  readonly color?: string
}

/** One SGR sequence's codes applied to a style. */
function restyled(style: Style, codes: readonly number[]): Style {
  let next = style
  for (const code of codes) {
    if (code === 0) next = {}
    else if (code === 1) next = { ...next, bold: true }
    else if (code === 2) next = { ...next, dim: true }
    else if (colors[code]) next = { ...next, color: colors[code] }
  }
  return next
}

const escaped = (part: string): string => part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

function span(style: Style, part: string, column: number): string {
  const attributes = [
    `x="${(cell.margin + column * cell.width).toFixed(1)}"`,
    `textLength="${(part.length * cell.width).toFixed(1)}"`,
    ...(style.bold ? ['font-weight="bold"'] : []),
    ...(style.dim ? ['fill-opacity="0.6"'] : []),
    ...(style.color ? [`fill="${style.color}"`] : []),
  ]
  return `<tspan ${attributes.join(' ')}>${escaped(part)}</tspan>`
}

/** A line's spans and its length in columns. What was written over (`\r`, erased lines) is gone. */
function render(line: string): { readonly spans: string; readonly length: number } {
  const shown = line.slice(line.lastIndexOf('\r') + 1)
  let style: Style = {}
  let column = 0
  let spans = ''
  for (const part of shown.split(sequence)) {
    if (part.startsWith(escape)) {
      if (part.endsWith('m')) style = restyled(style, part.slice(2, -1).split(';').map(Number))
    } else if (part !== '') {
      if (part.trim() !== '') spans += span(style, part, column)
      column += part.length
    }
  }
  return { spans, length: column }
}

const lines = (await text(process.stdin)).replaceAll('\r\n', '\n').trimEnd().split('\n').map(render)
const width = Math.ceil(Math.max(...lines.map(line => line.length)) * cell.width + 2 * cell.margin)
const height = lines.length * cell.height + 2 * cell.margin
const rows = lines.map(({ spans }, i) => `<text y="${cell.margin + (i + 0.8) * cell.height}">${spans}</text>`)
process.stdout
  .write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" fill="#e6edf3" xml:space="preserve">
${rows.join('\n')}
</g>
</svg>
`)

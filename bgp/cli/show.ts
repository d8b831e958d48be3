// Answers of the control socket as people read them: tables, a line each.

export type Row = Readonly<Record<string, unknown>>

type Cell = readonly [head: string, of: (row: Row) => unknown]

const columns: Readonly<Record<string, readonly Cell[]>> = {
  peers: [
    ['PEER', row => row.name],
    ['ADDRESS', row => row.address],
    ['AS', row => row.remoteAs],
    ['STATE', row => (row.disabled ? `${word(row.state)} (disabled)` : row.state)],
    ['FOR', row => age(row.since)],
    ['RECEIVED', row => row.prefixesReceived],
    ['ACCEPTED', row => row.prefixesAccepted],
    ['SENT', row => row.prefixesSent],
    ['LAST ERROR', row => row.lastError],
  ],
  routes: [
    ['', mark],
    ['PREFIX', row => row.prefix],
    ['PATH ID', row => row.pathId],
    ['NEXT HOP', row => row.nextHop],
    ['PEER', row => row.peer],
    ['PREF', row => row.localPref],
    ['MED', row => row.med],
    ['AS PATH', row => `${word(row.asPath)} ${word(row.origin).slice(0, 1)}`.trim()],
    ['COMMUNITIES', row => [row.communities, row.largeCommunities, row.extendedCommunities].flat().join(' ')],
    ['REASON', row => row.reason],
  ],
  exports: [
    ['PEER', row => row.peer],
    ['FROM', row => (row.pathId === undefined ? '' : row.from)],
    ['PATH ID', row => row.pathId],
    ['TOLD', row => (row.accepted ? 'yes' : 'no')],
    ['WHY', row => row.text],
  ],
  messages: [
    ['PEER', row => row.peer],
    ['', row => row.direction],
    ['OPEN', row => row.open],
    ['UPDATE', row => row.update],
    ['KEEPALIVE', row => row.keepalive],
    ['REFRESH', row => row.routeRefresh],
    ['NOTIFICATION', row => row.notification],
    ['REASONS', row => row.reasons],
  ],
}

/** The text form of an answer: `peers`, `routes`, `explain`, `counters`. */
export function show(as: string, answer: Row | readonly Row[]): string {
  if (as === 'explain') {
    const { paths, exports } = answer as { readonly paths: readonly Row[]; readonly exports: readonly Row[] }
    return table('routes', paths) + (exports.length > 0 ? `\n${table('exports', exports)}` : '')
  }
  const rows = answer as readonly Row[]
  return as === 'counters' ? table('messages', rows.flatMap(bothWays)) : table(as, rows)
}

function bothWays(row: Row): Row[] {
  const one = (direction: 'in' | 'out', notifications: unknown): Row => {
    const reasons = (notifications as readonly { readonly text: string; readonly count: number }[])
      .map(({ text, count }) => `${count} × ${text}`)
      .join(', ')
    return { peer: direction === 'in' ? row.name : '', direction, ...(row[direction] as Row), reasons }
  }
  return [one('in', row.notificationsIn), one('out', row.notificationsOut)]
}

/** Columns as wide as they must be; a column that is empty in every row is left out. */
function table(as: string, rows: readonly Row[]): string {
  const cells = rows.map(row => columns[as].map(([, of]) => word(of(row))))
  const shown = columns[as].map((_, i) => i).filter(i => cells.some(row => row[i] !== ''))
  const lines = [columns[as].map(([head]) => head), ...cells].map(row => shown.map(i => row[i]))
  const widths = shown.map((_, i) => Math.max(...lines.map(row => row[i].length)))
  return lines
    .map(
      row =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** `*` best, `=` shares the load with it, `s` stale. */
function mark(row: Row): string {
  return `${row.best ? '*' : row.multipath ? '=' : ''}${row.stale ? 's' : ''}`
}

function age(since: unknown): string {
  const seconds = Math.max(0, Math.round((Date.now() - Number(since)) / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}

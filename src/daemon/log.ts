// Structured logs: one line a happening, a sentence and its fields, as text for people or JSON for machines.
//
// systemd and container runtimes keep standard error, so that is where lines go; nothing is rotated here.

export type Level = 'debug' | 'info' | 'warn' | 'error'
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Log {
  debug(text: string, fields?: Fields): void
  info(text: string, fields?: Fields): void
  warn(text: string, fields?: Fields): void
  error(text: string, fields?: Fields): void
}

const order: readonly Level[] = ['debug', 'info', 'warn', 'error']

export interface LogOptions {
  readonly level: Level
  readonly format: 'text' | 'json'
  readonly write?: (line: string) => void
  /** Now, as ISO 8601. */
  readonly now?: () => string
}

export function createLog({
  level,
  format,
  write = defaultWrite,
  now = () => new Date().toISOString(),
}: LogOptions): Log {
  const from = order.indexOf(level)
  const at =
    (of: Level) =>
    (text: string, fields: Fields = {}): void => {
      if (order.indexOf(of) < from) return
      write(
        format === 'json'
          ? JSON.stringify({ time: now(), level: of, text, ...fields })
          : asText(now(), of, text, fields),
      )
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function asText(time: string, level: Level, text: string, fields: Fields): string {
  const pairs = Object.entries(fields).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}=${quoted(value)}`],
  )
  return `${time} ${level.padEnd(5)} ${text.replaceAll('\n', ' ')}${pairs.join('')}`
}

/** Values with blanks or quotes are quoted, so that a line splits again into its fields. */
function quoted(value: string | number | boolean): string {
  const text = String(value)
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}

function defaultWrite(line: string): void {
  process.stderr.write(`${line}\n`)
}

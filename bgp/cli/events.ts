// What happens, as JSON lines: one object each, with the time and a type. Standard output is one reader, each
// `ctl events` another. A reader that does not read is not waited for: what it misses is counted and told later.

import type { Writable } from 'node:stream'

/** Octets that may wait for a reader. */
const MOST_WAITING = 8 * 1024 * 1024

export interface EventRecord {
  readonly type: string
  readonly [field: string]: unknown
}

export class Events {
  readonly #readers = new Map<Writable, number>()

  /** Everything from now on goes to the stream; the function returned ends that. */
  follow(stream: Writable): () => void {
    const end = () => void this.#readers.delete(stream)
    this.#readers.set(stream, 0)
    stream.once('close', end)
    return end
  }

  /** No more events: readers see the end, but for standard output, which is the process's. */
  end(): void {
    for (const stream of this.#readers.keys()) if (stream !== process.stdout) stream.end()
    this.#readers.clear()
  }

  emit(record: EventRecord): void {
    if (this.#readers.size === 0) return
    const text = line(record)
    for (const [stream, missed] of this.#readers) {
      if (stream.writableLength > MOST_WAITING) {
        this.#readers.set(stream, missed + 1)
        continue
      }
      if (missed > 0)
        stream.write(line({ type: 'missed', lines: missed, text: `${missed} lines were not read in time` }))
      this.#readers.set(stream, 0)
      stream.write(text)
    }
  }
}

/** One line: `time` (ISO 8601, UTC), then the record; octets as hexadecimal digits. */
export function line(record: EventRecord): string {
  return `${JSON.stringify({ time: new Date().toISOString(), ...record }, plain)}\n`
}

/** For JSON.stringify. */
export function plain(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}

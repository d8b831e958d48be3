// Signs of life in the cluster's file. Runs in the worker.
//
// The processes of one machine share the clock that counts from its start, so whether a sign still holds is told by that clock, and not
// by the time of day; after a restart of the machine none does.

import { readFileSync } from 'node:fs'
import type { Sign } from '../presence.ts'
import type { ClusterFile } from './file.ts'

/** Files of an earlier Margay lack it, and an earlier Margay does not look at it. */
export const signsTable = `
  CREATE TABLE IF NOT EXISTS signs (
    name  TEXT NOT NULL PRIMARY KEY,
    about TEXT NOT NULL,
    seen  TEXT NOT NULL,
    boot  TEXT NOT NULL,
    until REAL NOT NULL
  ) STRICT, WITHOUT ROWID`

export function signCalls(file: ClusterFile) {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const select = 'SELECT name, about, seen, boot, until FROM signs'
  const read = (row: Readonly<Record<string, unknown>>): Sign => ({
    name: String(row['name']),
    about: JSON.parse(String(row['about'])) as unknown,
    isAlive: row['boot'] === boot && Number(row['until']) > sinceBoot(),
    seen: String(row['seen']),
  })
  return {
    keepAlive(name: string, about: unknown, seconds: number): void {
      file
        .database()
        .prepare('INSERT OR REPLACE INTO signs (name, about, seen, boot, until) VALUES (?, ?, ?, ?, ?)')
        .run(name, JSON.stringify(about ?? null), new Date().toISOString(), boot, sinceBoot() + seconds)
    },

    sign(name: string): Sign | undefined {
      const row = file.database().prepare(`${select} WHERE name = ?`).get(name)
      return row && read(row)
    },

    signs(): readonly Sign[] {
      return file.database().prepare(`${select} ORDER BY name`).all().map(read)
    },

    forget(name: string): void {
      file.database().prepare('DELETE FROM signs WHERE name = ?').run(name)
    },
  }
}

/** Seconds, CLOCK_MONOTONIC. */
function sinceBoot(): number {
  return Number(process.hrtime.bigint()) / 1e9
}

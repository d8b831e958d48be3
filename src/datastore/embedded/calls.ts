// The cluster's store on SQLite, shared by the processes of one machine. Runs in the worker.
//
// Every write is one transaction that compares, changes the record, and appends to a log of changes. The number of that log
// entry is the record's version: it never comes again, so a record that was deleted and made anew is told from the old one.
// Watches read the log (watches.ts).

import type { DatabaseSync } from 'node:sqlite'
import { type Entry, lockKind, lockName, type Page, StoreError, type Version } from '../contract.ts'
import { inTransaction } from '../worker/sqlite.ts'
import { revisionOf, writable } from '../envelope.ts'
import { ClusterFile } from './file.ts'
import { lockedError } from '../lock.ts'
import { toEntry, wrap } from './record.ts'
import { signCalls } from './signs.ts'
import { Watches } from './watches.ts'

export type ClusterCalls = ReturnType<typeof clusterCalls>

const defaultLimit = 500

/** `create`: make the file if it is missing. */
export function clusterCalls(path: string, create: boolean) {
  const file = new ClusterFile(path, create)
  const watches = new Watches(file)

  const versionOf = (db: DatabaseSync, kind: string, name: string): Version | undefined => {
    const row = db.prepare('SELECT version FROM entries WHERE kind = ? AND name = ?').get(kind, name)
    return row && (String(row['version']) as Version)
  }

  /** Compares, then writes (`value` undefined: deletes) and logs. */
  const write = (
    kind: string,
    name: string,
    value: string | undefined,
    check: (found: Version | undefined) => void,
  ) => {
    const db = file.database()
    const version = inTransaction(db, () => {
      if (kind !== lockKind) mustBeUnlocked(db)
      check(versionOf(db, kind, name))
      const logged = db.prepare('INSERT INTO changes (kind, name) VALUES (?, ?)').run(kind, name).lastInsertRowid
      if (value === undefined) db.prepare('DELETE FROM entries WHERE kind = ? AND name = ?').run(kind, name)
      else
        db.prepare('INSERT OR REPLACE INTO entries (kind, name, version, value) VALUES (?, ?, ?, ?)').run(
          kind,
          name,
          logged,
          value,
        )
      file.trim(Number(logged))
      return String(logged) as Version
    })
    file.ring()
    watches.wake()
    return version
  }

  return {
    ...signCalls(file),

    get(kind: string, name: string): Entry | undefined {
      const row = file
        .database()
        .prepare('SELECT version, value FROM entries WHERE kind = ? AND name = ?')
        .get(kind, name)
      return row && toEntry({ ...row, kind, name })
    },

    list(kind: string, after = '', limit = defaultLimit): Page {
      const rows = file
        .database()
        .prepare('SELECT kind, name, version, value FROM entries WHERE kind = ? AND name > ? ORDER BY name LIMIT ?')
        .all(kind, after, limit + 1)
      const entries = rows.slice(0, limit).map(toEntry)
      return { entries, next: rows.length > limit ? entries.at(-1)?.name : undefined }
    },

    create(kind: string, name: string, value: unknown): Version {
      return write(kind, name, wrap(value), found => {
        if (found !== undefined)
          throw new StoreError('exists', `${kind} ${name} exists already. Read it, and update it if it shall change.`)
      })
    },

    update(kind: string, name: string, value: unknown, version: Version): Version {
      const revision = writable(kind, name, version)
      return write(kind, name, wrap(value), found => mustBe(kind, name, found, revision))
    },

    delete(kind: string, name: string, version: Version | undefined): void {
      const revision = version && revisionOf(version)
      write(kind, name, undefined, found => mustBe(kind, name, found, revision))
    },

    tryWrite(): void {
      const db = file.database()
      inTransaction(db, () => mustBeUnlocked(db))
    },

    kinds(): readonly string[] {
      const rows = file.database().prepare('SELECT DISTINCT kind FROM entries ORDER BY kind').all()
      return rows.map(row => String(row['kind']))
    },

    watchOpen: (kinds: readonly string[]) => watches.open(kinds),
    watchNext: (id: number) => watches.next(id),
    watchClose: (id: number) => watches.close(id),

    close(): void {
      watches.closeAll()
      file.close()
    },
  }
}

function mustBeUnlocked(db: DatabaseSync): void {
  const row = db.prepare('SELECT value FROM entries WHERE kind = ? AND name = ?').get(lockKind, lockName)
  if (row) throw lockedError(toEntry({ kind: lockKind, name: lockName, version: 0, ...row }).value)
}

function mustBe(kind: string, name: string, found: Version | undefined, wanted: string | undefined): void {
  if (found === undefined)
    throw new StoreError('not-found', `${kind} ${name} does not exist. List what there is, or create it.`)
  if (wanted !== undefined && found !== wanted)
    throw new StoreError(
      'conflict',
      `${kind} ${name} was changed by somebody else meanwhile. Read it again and repeat the change.`,
    )
}

// The node's store on SQLite: rows of JSON in named tables. Runs in the worker.
//
// One process owns the file: two daemons on one store would both give out its addresses.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { NodeStoreChange } from '../node-store.ts'
import { inTransaction, openSqlite, plain } from '../worker/sqlite.ts'
import type { CommitFailure } from './group-commit.ts'

const what = 'node store'

const schema = `
  CREATE TABLE IF NOT EXISTS rows (
    tab   TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (tab, key)
  ) STRICT, WITHOUT ROWID`

export type NodeCalls = ReturnType<typeof nodeCalls>

export function nodeCalls(path: string) {
  let database: DatabaseSync | undefined
  const opened = (): DatabaseSync =>
    (database ??= openSqlite({ what, path, schema, schemaVersion: 1, exclusive: true, patience: 2_000 }))

  const failureOf = (error: unknown): CommitFailure => {
    const { code, message } = plain(error, what, path)
    return { code, message }
  }
  let statements: { readonly put: StatementSync; readonly remove: StatementSync } | undefined
  const commitNow = (changes: readonly NodeStoreChange[]): void => {
    const db = opened()
    const { put, remove } = (statements ??= {
      put: db.prepare('INSERT OR REPLACE INTO rows (tab, key, value) VALUES (?, ?, ?)'),
      remove: db.prepare('DELETE FROM rows WHERE tab = ? AND key = ?'),
    })
    inTransaction(db, () => {
      for (const change of changes) {
        if (change.do === 'put') put.run(change.table, change.key, JSON.stringify(change.value))
        else remove.run(change.table, change.key)
      }
    })
  }
  const commitAlone = (changes: readonly NodeStoreChange[]): CommitFailure => {
    try {
      commitNow(changes)
      return undefined
    } catch (error) {
      return failureOf(error)
    }
  }

  return {
    open(): void {
      opened()
    },
    all(table: string): { key: string; value: unknown }[] {
      const rows = opened().prepare('SELECT key, value FROM rows WHERE tab = ? ORDER BY key').all(table)
      return rows.map(row => ({ key: String(row['key']), value: JSON.parse(String(row['value'])) as unknown }))
    },
    /** In one transaction, or, if that fails, one by one. */
    commit(group: readonly (readonly NodeStoreChange[])[]): readonly CommitFailure[] {
      try {
        commitNow(group.flat())
        return []
      } catch (error) {
        return group.length === 1 ? [failureOf(error)] : group.map(commitAlone)
      }
    },
    close(): void {
      database?.close()
      database = undefined
      statements = undefined
    },
  }
}

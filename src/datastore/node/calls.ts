// The node's store on SQLite: rows of JSON in named tables. Runs in the worker.
//
// One process owns the file: two daemons on one store would both give out its addresses.

import type { DatabaseSync } from 'node:sqlite'
import type { NodeStoreChange } from '../node-store.ts'
import { inTransaction, openSqlite } from '../worker/sqlite.ts'

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
    (database ??= openSqlite({ what: 'node store', path, schema, schemaVersion: 1, exclusive: true, patience: 2_000 }))

  return {
    open(): void {
      opened()
    },
    all(table: string): { key: string; value: unknown }[] {
      const rows = opened().prepare('SELECT key, value FROM rows WHERE tab = ? ORDER BY key').all(table)
      return rows.map(row => ({ key: String(row['key']), value: JSON.parse(String(row['value'])) as unknown }))
    },
    commit(changes: readonly NodeStoreChange[]): void {
      const db = opened()
      const put = db.prepare('INSERT OR REPLACE INTO rows (tab, key, value) VALUES (?, ?, ?)')
      const remove = db.prepare('DELETE FROM rows WHERE tab = ? AND key = ?')
      inTransaction(db, () => {
        for (const change of changes) {
          if (change.do === 'put') put.run(change.table, change.key, JSON.stringify(change.value))
          else remove.run(change.table, change.key)
        }
      })
    },
    close(): void {
      database?.close()
      database = undefined
    },
  }
}

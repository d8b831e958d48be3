import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { inTransaction, openSqlite, plain } from './sqlite.ts'

const options = (path: string, exclusive: boolean) => ({
  what: 'node store',
  path,
  schema: 'CREATE TABLE IF NOT EXISTS rows (value TEXT NOT NULL) STRICT',
  schemaVersion: 1,
  exclusive,
  patience: 50,
})

t.test('an exclusive file has one process', async t => {
  const path = join(t.testdir(), 'node.db')
  const first = openSqlite(options(path, true))
  t.throws(() => openSqlite(options(path, true)), {
    code: 'unreachable',
    message: `node store ${path}: another process has it. See which one (fuser -v on the file) and stop that first.`,
  })
  first.close()
  openSqlite(options(path, true)).close()
})

t.test('a shared file has one writer at a time, and readers go on', async t => {
  const path = join(t.testdir(), 'cluster.db')
  const [a, b] = [openSqlite(options(path, false)), openSqlite(options(path, false))]
  a.exec('BEGIN IMMEDIATE')
  a.exec("INSERT INTO rows VALUES ('half')")
  try {
    inTransaction(b, () => b.exec("INSERT INTO rows VALUES ('b')"))
    t.fail('two writers')
  } catch (error) {
    t.match(plain(error, 'datastore', path).message, /another process has it/)
  }
  t.same(b.prepare('SELECT * FROM rows').all(), [])
  a.exec('ROLLBACK')
  inTransaction(b, () => b.exec("INSERT INTO rows VALUES ('b')"))
  t.equal(a.prepare('SELECT * FROM rows').all().length, 1)
  a.close()
  b.close()
})

t.test('what the disk refuses is told, and nothing of it is there', async t => {
  const path = join(t.testdir(), 'node.db')
  const database = openSqlite(options(path, false))
  const big = 'INSERT INTO rows VALUES (hex(zeroblob(100000)))'
  for (const { limit, lift, reason } of [
    {
      limit: 'PRAGMA max_page_count = 3',
      lift: 'PRAGMA max_page_count = 100000',
      reason: `the disk is full, nothing was changed. Make room on the file system of ${t.testdirName}.`,
    },
    {
      limit: 'PRAGMA query_only = 1',
      lift: 'PRAGMA query_only = 0',
      reason: 'cannot be written. Run as root, or give this user the file and its folder.',
    },
  ]) {
    database.exec(limit)
    try {
      inTransaction(database, () => database.exec(big))
      t.fail('it was written')
    } catch (error) {
      t.equal(plain(error, 'node store', path).message, `node store ${path}: ${reason}`)
    }
    database.exec(lift)
    t.same(database.prepare('SELECT * FROM rows').all(), [])
  }
  inTransaction(database, () => database.exec(big))
  database.close()
})

t.test('a file of a newer Margay is left alone', async t => {
  const path = join(t.testdir(), 'newer.db')
  const newer = new DatabaseSync(path)
  newer.exec('PRAGMA user_version = 2')
  newer.close()
  t.throws(() => openSqlite(options(path, true)), {
    message: `node store ${path}: was written by a newer Margay (layout 2, this one knows 1). Upgrade this node.`,
  })
})

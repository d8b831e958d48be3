// Opening a SQLite file, and its errors in plain words. Runs in the store's worker.

import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../contract.ts'
import { makeFolder } from '../folder.ts'

export interface SqliteOptions {
  /** What the file is, for messages: `datastore`. */
  readonly what: string
  readonly path: string
  /** Statements that make the tables. Run once, in one transaction, in an empty file. */
  readonly schema: string
  /** Written into the file; a file with a higher number was written by a newer Margay and is refused. */
  readonly schemaVersion: number
  /** One process owns the file; a second one is refused. */
  readonly exclusive: boolean
  /** How long to wait for a lock, in milliseconds. */
  readonly patience: number
}

/**
 * Opens the file, making it and its folder if they are missing. Every commit is on the disk before it returns
 * (`synchronous=FULL`); readers do not wait for the writer (WAL).
 */
export function openSqlite(options: SqliteOptions): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    makeFolder(dirname(options.path), 0o700)
    database = new DatabaseSync(options.path, { timeout: options.patience })
    if (options.exclusive) database.exec('PRAGMA locking_mode = EXCLUSIVE')
    retryWhileBusy(options.patience, () => database?.exec('PRAGMA journal_mode = WAL'))
    database.exec('PRAGMA synchronous = FULL')
    const { user_version: found } = database.prepare('PRAGMA user_version').get() as { user_version: number }
    if (found > options.schemaVersion)
      throw new StoreError(
        'unreachable',
        `${options.what} ${options.path}: was written by a newer Margay (layout ${found}, this one knows ${options.schemaVersion}). Upgrade this node.`,
      )
    if (found < options.schemaVersion || options.exclusive) inTransaction(database, () => makeTables(database, options))
    return database
  } catch (error) {
    database?.close()
    throw plain(error, options.what, options.path)
  }
}

/** Also takes the write lock, which tells a second process of an exclusive file at once. */
function makeTables(database: DatabaseSync | undefined, options: SqliteOptions): void {
  database?.exec(options.schema)
  database?.exec(`PRAGMA user_version = ${options.schemaVersion}`)
}

/** All of `work` or nothing. The write lock is taken first, so that what `work` reads cannot change under it. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** Turning a file to WAL ignores SQLite's own waiting while another process does the same. */
function retryWhileBusy(patience: number, work: () => void): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (const end = Date.now() + patience; ; Atomics.wait(pause, 0, 0, 5)) {
    try {
      work()
      return
    } catch (error) {
      if (resultCode(error) !== codes.busy || Date.now() > end) throw error
    }
  }
}

// https://www.sqlite.org/rescode.html
const codes = {
  perm: 3,
  busy: 5,
  locked: 6,
  readonly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  cantOpen: 14,
  notADatabase: 26,
}

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

/** The error with object, reason and next step; a StoreError stays as it is. */
export function plain(error: unknown, what: string, path: string): StoreError {
  if (error instanceof StoreError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new StoreError(
    'unreachable',
    `${what} ${path}: ${sentenceFor(resultCode(error), systemCode(error), what, path, reason)}`,
  )
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** What a node's own store had is in the datastore and the kernel as well. */
function afterDamage(what: string): string {
  return what === 'node store'
    ? 'Move the file away and start margayd: it learns its pods anew from the datastore and the kernel. An older copy of the file does as well: what came since is learned in the same way.'
    : 'Stop Margay, move the file away and restore it from a backup.'
}

function sentenceFor(
  code: number | undefined,
  system: string | undefined,
  what: string,
  path: string,
  reason: string,
): string {
  if (code === codes.busy || code === codes.locked)
    return 'another process has it. See which one (fuser -v on the file) and stop that first.'
  if (code === codes.perm || code === codes.readonly)
    return 'cannot be written. Run as root, or give this user the file and its folder.'
  if (code === codes.cantOpen) return `cannot be opened. See that ${dirname(path)} may be written by this user.`
  if (code === codes.corrupt || code === codes.notADatabase) return `is damaged (${reason}). ${afterDamage(what)}`
  if (code === codes.full || system === 'ENOSPC')
    return `the disk is full, nothing was changed. Make room on the file system of ${dirname(path)}.`
  if (code === codes.io) return `the disk answers with an error (${reason}). See the kernel's log (dmesg).`
  if (system === 'EACCES' || system === 'EPERM' || system === 'EROFS')
    return `cannot be made (${reason}). Run as root, or name a folder that this user may write.`
  if (system === 'ENOTDIR' || system === 'EEXIST')
    return 'cannot be made, as a part of its path is a file. Name another path.'
  if (system === 'ENOENT') return `cannot be made (${reason}): there can be no folder in that place. Name another path.`
  return `${reason}. See that the file and its folder are sound.`
}

// The file of the cluster's store: tables, log of changes, and the bell that tells other processes of a commit.
//
// SQLite has no message from one process to another. So whoever has committed writes one octet to a file beside the database,
// the bell; a watch on it wakes the others, and `PRAGMA data_version` tells them whether there is news. A process that dies
// between commit and bell leaves the news to the slow look that everyone takes each second.

import { closeSync, existsSync, type FSWatcher, openSync, statSync, watch, writeSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../contract.ts'
import { openSqlite, plain } from '../worker/sqlite.ts'
import { signsTable } from './signs.ts'

const schema = `
  CREATE TABLE IF NOT EXISTS entries (
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT NOT NULL,
    name   TEXT NOT NULL
  ) STRICT`

/** So many changes are kept, give or take a tenth; a watch further behind gets a new snapshot. */
const keptChanges = 10_000
const slowLook = 1_000

interface OpenFile {
  readonly database: DatabaseSync
  readonly inode: number
  /** Descriptor of the bell. */
  readonly bell: number
}

export class ClusterFile {
  readonly #path: string
  readonly #create: boolean
  #open: OpenFile | undefined
  #generation = 0
  #dataVersion = 0
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(path: string, create: boolean) {
    this.#path = path
    this.#create = create
  }

  /**
   * The open database. A file that was removed under us is not made anew, and one that was put in its place is an error once
   * before it is taken: going on as if nothing had happened would split the cluster.
   */
  database(): DatabaseSync {
    const inode = statSync(this.#path, { throwIfNoEntry: false })?.ino
    if (this.#generation > 0 && inode === undefined) throw this.#gone('was removed')
    if (this.#open && inode !== this.#open.inode) throw this.#gone('was replaced')
    this.#open ??= this.#openFile()
    return this.#open.database
  }

  /** Grows whenever the file is opened: what was read from the log of another generation means nothing now. */
  get generation(): number {
    return this.#generation
  }

  /** An error of this file in words. */
  plain(error: unknown): StoreError {
    return plain(error, 'datastore', this.#path)
  }

  #gone(what: string): StoreError {
    this.#shut()
    return new StoreError(
      'unreachable',
      `datastore ${this.#path}: ${what}. Put the file back; every node goes on with what it knows until then.`,
    )
  }

  #openFile(): OpenFile {
    if (!this.#create && !existsSync(this.#path))
      throw new StoreError(
        'unreachable',
        `datastore ${this.#path}: there is no such file. Put it back or correct datastore.path; a new cluster begins with margayctl apply, or with a margayd that has never run before.`,
      )
    const database = openSqlite({
      what: 'datastore',
      path: this.#path,
      schema,
      schemaVersion: 1,
      exclusive: false,
      patience: 5_000,
    })
    database.exec(signsTable)
    this.#generation++
    this.#dataVersion = -1
    return { database, inode: statSync(this.#path).ino, bell: openSync(`${this.#path}-bell`, 'w') }
  }

  /** Drops old changes now and then. Called within the transaction that logged `number`. */
  trim(number: number): void {
    if (number % (keptChanges / 10) === 0)
      this.database()
        .prepare('DELETE FROM changes WHERE number <= ?')
        .run(number - keptChanges)
  }

  /** Tells the other processes of a commit. They hear of it later if this fails. */
  ring(): void {
    try {
      if (this.#open) writeSync(this.#open.bell, '!', 0)
    } catch {
      // the disk is full: the others' slow look finds the commit
    }
  }

  /** Calls `onNews` after commits of other processes, and each second while the file cannot be read. */
  listen(onNews: () => void): void {
    const bell = `${basename(this.#path)}-bell`
    const look = (): void => {
      if (this.#changed()) onNews()
    }
    this.#timer ??= setInterval(() => {
      if (!this.#watcher) this.#watchBell(bell, look)
      look()
    }, slowLook)
    if (!this.#watcher) this.#watchBell(bell, look)
  }

  deafen(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#watcher?.close()
    this.#watcher = undefined
  }

  close(): void {
    this.deafen()
    this.#shut()
  }

  #watchBell(bell: string, look: () => void): void {
    try {
      this.#watcher = watch(dirname(this.#path), (_, name) => {
        if (name === bell) look()
      })
      this.#watcher.on('error', () => {
        this.#watcher?.close()
        this.#watcher = undefined
      })
    } catch {
      this.#watcher = undefined // no such folder, or no watch left in the kernel: the slow look has to do
    }
  }

  #changed(): boolean {
    try {
      const row = this.database().prepare('PRAGMA data_version').get()
      const version = Number(row?.['data_version'])
      const changed = version !== this.#dataVersion
      this.#dataVersion = version
      return changed
    } catch {
      return true // let the watches find out why
    }
  }

  #shut(): void {
    const open = this.#open
    this.#open = undefined
    if (!open) return
    closeSync(open.bell)
    open.database.close()
  }
}

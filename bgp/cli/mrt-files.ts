// MRT files of the executable: dumps of the tables every so often, and what passes on the sessions in files that rotate.

import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { dumpTables, MrtStream } from '../mrt/index.ts'
import type { Speaker } from '../speaker.ts'
import type { EventRecord } from './events.ts'

/** `mrt` in the configuration file. Names are relative to that file; `%t` stands for the time, as in 20260131.235959 (UTC). */
export interface MrtConfig {
  /** Every path of every peer goes to this file (TABLE_DUMP_V2). */
  readonly table?: string
  /** Seconds between two dumps. Default 3600. */
  readonly every?: number
  /** What passes on the sessions goes to this file (BGP4MP_ET). */
  readonly updates?: string
  /** Messages that came, or all. Default `received`. */
  readonly messages?: 'received' | 'all'
  /** Seconds after which `updates` begins another file, where its name has a `%t`. Default 900. */
  readonly rotate?: number
}

export interface MrtFilesOptions {
  readonly speaker: Speaker
  readonly folder: string
  readonly emit: (record: EventRecord) => void
}

export class MrtFiles {
  readonly #options: MrtFilesOptions
  #config: MrtConfig = {}
  #stream: MrtStream | undefined
  #handle: FileHandle | undefined
  #began = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: MrtFilesOptions) {
    this.#options = options
  }

  /** The configuration from now on. What is equal goes on. */
  async set(config: MrtConfig): Promise<void> {
    if (JSON.stringify(config) === JSON.stringify(this.#config)) return
    await this.stop()
    this.#config = config
    const { table, every = 3600, updates, messages } = config
    if (table !== undefined) this.#timer = setInterval(() => void this.dump(table).catch(() => {}), every * 1000)
    if (updates === undefined) return
    const failed = (error: unknown) => this.#tell(updates, error)
    this.#stream = new MrtStream(this.#options.speaker, octets => this.#append(octets), { messages, failed })
  }

  /** Writes all tables to a file, which is whole as soon as it has its name. Rejects if that fails. */
  async dump(name: string): Promise<{ readonly file: string; readonly prefixes: number }> {
    const file = this.#path(name)
    const part = `${file}.part`
    try {
      const handle = await open(part, 'w')
      let prefixes: number
      try {
        prefixes = await dumpTables(this.#options.speaker, async octets => void (await handle.write(octets)))
      } finally {
        await handle.close()
      }
      await rename(part, file)
      this.#options.emit({ type: 'dumped', file, prefixes, text: `${prefixes} prefixes are in ${file}` })
      return { file, prefixes }
    } catch (error) {
      await rm(part, { force: true })
      this.#tell(file, error)
      throw error
    }
  }

  /** What came is written, and nothing more is. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#stream?.stop()
    this.#stream = undefined
    await this.#handle?.close()
    this.#handle = undefined
    this.#config = {}
  }

  async #append(octets: Uint8Array): Promise<void> {
    const { updates = '', rotate = 900 } = this.#config
    const isOver = updates.includes('%t') && Date.now() - this.#began >= rotate * 1000
    if (this.#handle && isOver) {
      await this.#handle.close()
      this.#handle = undefined
    }
    if (!this.#handle) {
      this.#handle = await open(this.#path(updates), 'a')
      this.#began = Date.now()
    }
    await this.#handle.write(octets)
  }

  #path(name: string): string {
    const time = new Date()
      .toISOString()
      .replace(/-|:|\..*$/g, '')
      .replace('T', '.')
    return resolve(this.#options.folder, name.replaceAll('%t', time))
  }

  #tell(file: string, error: unknown): void {
    const text = `${file} cannot be written (${String(error)}): make room or correct its name, then reload`
    this.#options.emit({ type: 'mrtFailed', file, text })
    console.error(text)
  }
}

// Chunks: 64 KiB of encoded messages, shared by whoever still has to send them, used again when nobody has.

import type { MessageTarget } from '../wire/update-writer.ts'

export const CHUNK = 65536
const SPARE = 16

export class Chunk {
  readonly octets = new Uint8Array(CHUNK)
  /** Called by each holder once. */
  readonly done: () => void
  references = 0

  constructor(pool: ChunkPool) {
    this.done = () => {
      if (--this.references === 0) pool.put(this)
    }
  }
}

export class ChunkPool {
  readonly #spare: Chunk[] = []

  take(): Chunk {
    return this.#spare.pop() ?? new Chunk(this)
  }

  put(chunk: Chunk): void {
    if (this.#spare.length < SPARE) this.#spare.push(chunk)
  }
}

/** A run of whole messages in one chunk, which it holds. */
export interface Run {
  readonly chunk: Chunk
  readonly from: number
  to: number
  messages: number
}

/** Lays messages one after the other into chunks of a pool. */
export abstract class ChunkTarget implements MessageTarget {
  at = 0
  readonly #pool: ChunkPool
  #chunk: Chunk | undefined

  constructor(pool: ChunkPool) {
    this.#pool = pool
  }

  get octets(): Uint8Array {
    return this.#chunk?.octets ?? NOTHING
  }

  reserve(octets: number): void {
    if (this.#chunk && this.at + octets <= CHUNK) return
    this.close()
    this.#chunk = this.#pool.take()
    this.#chunk.references++
  }

  commit(length: number): void {
    if (!this.#chunk) return
    this.written(this.#chunk, this.at, this.at + length)
    this.at += length
  }

  /** Lets go of the chunk that is being filled. */
  close(): void {
    this.#chunk?.done()
    this.#chunk = undefined
    this.at = 0
  }

  /** A message stands at `chunk.octets[from, to)`. */
  protected abstract written(chunk: Chunk, from: number, to: number): void
}

const NOTHING = new Uint8Array(0)

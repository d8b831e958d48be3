// The main side of a store: starts the worker, sends calls, hands out answers.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { StoreError } from '../contract.ts'
import type { Answer, Calls, Request, StoreSettings } from './protocol.ts'

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: StoreError) => void
}

/** Keeps the process alive only while a call is unanswered. */
export class WorkerClient<C extends Calls> {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #gone: StoreError | undefined
  #closed = false

  constructor(settings: StoreSettings) {
    this.#worker = new Worker(workerUrl(), { workerData: settings, name: `${settings.store}-store` })
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#take(answer))
    this.#worker.on('error', (error: unknown) => this.#end(`its thread failed: ${String(error)}`))
    this.#worker.on('exit', () => this.#end('it is closed'))
  }

  /** Fails with a StoreError. */
  call<K extends keyof C & string>(call: K, ...args: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>> {
    if (this.#gone) return Promise.reject(this.#gone)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker.ref()
      this.#send({ id, call, args })
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Lets the calls that were made be answered, then ends the worker. Watches end. */
  async close(): Promise<void> {
    if (this.#gone || this.#closed) return
    this.#closed = true
    await this.call('close', ...([] as never))
    await this.#worker.terminate()
  }

  #send(request: Request): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, not a window
    this.#worker.postMessage(request)
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (answer.ok) waiting?.resolve(answer.value as never)
    else waiting?.reject(new StoreError(answer.code, answer.message))
  }

  #end(reason: string): void {
    this.#gone ??= new StoreError('unreachable', `the store cannot be used: ${reason}. Restart the program.`)
    for (const { reject } of this.#waiting.values()) reject(this.#gone)
    this.#waiting.clear()
  }
}

/** The worker's file: a source beside this one, or `store-worker.js` beside a bundle or above its shared parts. */
function workerUrl(): URL {
  if (import.meta.url.endsWith('.ts')) return new URL('../store-worker.ts', import.meta.url)
  const beside = new URL('./store-worker.js', import.meta.url)
  return existsSync(fileURLToPath(beside)) ? beside : new URL('../store-worker.js', import.meta.url)
}

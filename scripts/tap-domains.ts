// Which test an error that nobody caught belongs to, for tap: in its bundle (bundle-tests.ts) this stands for the package async-hook-domain,
// and for the AsyncResource of tap's own core.
//
// That package hooks into each promise that is made, which costs a test with many of them more than all that it does. Node's asynchronous
// context says the same and costs nothing.

import { AsyncLocalStorage } from 'node:async_hooks'

/** What runs on behalf of one test. */
interface Scope {
  readonly parent?: Scope
  domain?: Domain
}

const scopes = new AsyncLocalStorage<Scope>()
const outermost: Scope = {}
const current = (): Scope => scopes.getStore() ?? outermost

/** What tap needs of Node's class of this name: each test is one, and runs in it. */
export class AsyncResource {
  readonly #scope: Scope = { parent: current() }

  runInAsyncScope<T>(run: (...args: unknown[]) => T, self: unknown, ...args: unknown[]): T {
    return scopes.run(this.#scope, () => run.apply(self, args))
  }

  emitDestroy(): this {
    return this
  }
}

/** Gets the errors of the scope that it is made in and of those within, unless they have one of their own, until it is destroyed. */
export class Domain {
  readonly #told: (error: unknown, event: string) => void
  readonly #scope = current()

  constructor(told: (error: unknown, event: string) => void) {
    this.#told = told
    this.#scope.domain = this
  }

  onerror(error: unknown, event: string): void {
    this.#told(error, event)
  }

  destroy(): void {
    if (this.#scope.domain === this) delete this.#scope.domain
  }
}

/** Whether a domain took it. A test that listens itself is left alone. */
function take(error: unknown, event: string): boolean {
  if (process.hasUncaughtExceptionCaptureCallback() || process.listenerCount('uncaughtException') > 0) return false
  let scope: Scope | undefined = current()
  while (scope && !scope.domain) scope = scope.parent
  scope?.domain?.onerror(error, event)
  return scope !== undefined
}

process.on('uncaughtExceptionMonitor', (error, event) => {
  if (!take(error, event)) return
  // Told: Node need not end for it.
  process.setUncaughtExceptionCaptureCallback(() => process.setUncaughtExceptionCaptureCallback(null))
})
// No listener: with one, a test that looks for listeners, or counts them, would find it.
const emit = process.emit.bind(process) as (event: string, ...args: unknown[]) => boolean
process.emit = ((event: string, ...args: unknown[]): boolean =>
  event === 'unhandledRejection' && process.listenerCount(event) === 0
    ? take(args[0], event)
    : emit(event, ...args)) as typeof process.emit

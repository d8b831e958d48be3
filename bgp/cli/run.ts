// `bgp-speaker run`: a router in this process, until a signal or the control socket ends it.

import { once } from 'node:events'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { listenControl } from './control.ts'
import { Events } from './events.ts'
import { discoveryOf, transportOf } from './modules.ts'
import { Router } from './router.ts'
import { keepYoungSpaceSmall } from './young-space.ts'

export interface RunOptions {
  readonly file: string
  /** Path of the control socket. */
  readonly control?: string
  /** Best routes are told on standard output, too. */
  readonly routes?: boolean
  /** It comes up after a restart. */
  readonly restart?: boolean
  /** A file that stands while the router runs or is to come back: it says that the next start comes after a restart. */
  readonly mark?: string
  /** Default true: see `SpeakerOptions`. */
  readonly warmUp?: boolean
  /** A module with `sockets()`. */
  readonly sockets?: string
  /** A module with `discovery()`. */
  readonly discovery?: string
}

/** Resolves when the router has stopped. Throws an Error in words if it cannot start. */
export async function run(options: RunOptions): Promise<void> {
  const { file, control, routes, restart = false, mark, warmUp = true } = options
  keepYoungSpaceSmall()
  const events = new Events()
  const emit = events.emit.bind(events)
  const transport = await transportOf(options.sockets)
  const discovery = await discoveryOf(options.discovery)
  const restarting = restart || (mark !== undefined && existsSync(mark))
  const router = new Router(file, { transport, discovery, restarting, warmUp, emit })
  let stop: (mode: 'cease' | 'restart', words?: string) => void = () => {}
  const stopped = new Promise<{ readonly mode: 'cease' | 'restart'; readonly words?: string }>(resolve => {
    stop = (mode, words) => resolve({ mode, words })
  })
  // Before anything listens: who finds the socket there may call.
  const server = control === undefined ? undefined : await listenControl(control, { router, events, stop })
  const off = onSignals(router, stop, emit)
  events.follow(process.stdout)
  process.stdout.on('error', () => stop('cease')) // whoever read the lines has gone
  try {
    if (mark !== undefined) writeFileSync(mark, `bgp-speaker ${process.pid}\n`)
    await router.start()
    emit({ type: 'started', pid: process.pid, asn: router.config.asn, routerId: router.config.routerId, restarting })
    const told = routes ? router.emitRoutes(drained) : undefined
    const { mode, words } = await stopped
    await router.stop(mode, words)
    await told
    if (mark !== undefined && mode === 'cease') rmSync(mark, { force: true })
  } finally {
    off()
    events.end()
    if (server) await closed(server)
  }
}

/** SIGHUP reads the file again, SIGTERM and SIGINT stop; a second one does not wait. */
function onSignals(router: Router, stop: (mode: 'cease') => void, emit: Events['emit']): () => void {
  const reload = () => {
    try {
      router.reload()
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error)
      console.error(`${words}\nthe configuration before it stays in force`)
      emit({ type: 'refusedConfiguration', text: words })
    }
  }
  let told = false
  const end = () => {
    if (told) process.exit(1)
    told = true
    stop('cease')
  }
  process.on('SIGHUP', reload).on('SIGTERM', end).on('SIGINT', end)
  return () => void process.off('SIGHUP', reload).off('SIGTERM', end).off('SIGINT', end)
}

async function drained(): Promise<void> {
  if (process.stdout.writableNeedDrain)
    await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')])
}

/** What was asked for gets its answer; a client that keeps its connection is not waited for. */
async function closed(server: Server): Promise<void> {
  const end = once(server, 'close')
  server.close()
  const timer = setTimeout(() => server.closeAllConnections(), 200)
  await end
  clearTimeout(timer)
}

// The executable: `margayd --config FILE`.

import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import { ConfigError, type DaemonConfig, defaultConfigFile, loadConfig, requireNodeName } from '../api/config.ts'
import { version } from '../api/version.ts'
import { Daemon } from './daemon.ts'
import { createLog } from './log.ts'
import { tellReady } from './service-manager.ts'

const usage = `usage: margayd [--config FILE]

  --config FILE   this node's file (default ${defaultConfigFile}; docs/configuration.md)
  --version       print the version
  --help          print this

SIGHUP reads the file again, SIGTERM stops; routes and pods stay.
`

async function main(): Promise<number> {
  const asked = readArguments()
  if (asked === undefined) return 2
  if (asked.help || asked.version) {
    process.stdout.write(asked.help ? usage : `margayd ${version}\n`)
    return 0
  }
  if (process.getuid?.() !== 0)
    return refuse('needs root, to program the kernel: run it as root or as a systemd service')
  const file = asked.config ?? defaultConfigFile
  let config: DaemonConfig
  try {
    config = loadConfig(file, hostname())
    requireNodeName(config, file)
  } catch (error) {
    if (error instanceof ConfigError) return refuse(error.message)
    throw error
  }
  let log = createLog(config.log)
  // The rooms keep this one; a reload changes what stands behind it.
  const lasting = {
    debug: (...line: Parameters<typeof log.debug>) => log.debug(...line),
    info: (...line: Parameters<typeof log.info>) => log.info(...line),
    warn: (...line: Parameters<typeof log.warn>) => log.warn(...line),
    error: (...line: Parameters<typeof log.error>) => log.error(...line),
  }
  let daemon: Daemon
  try {
    daemon = await Daemon.start(config, lasting)
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
  tellReady(lasting)
  process.on('SIGHUP', () => {
    try {
      const next = loadConfig(file, hostname())
      const { config, changed, needRestart } = daemon.reload(next)
      log = createLog(config.log)
      log.info('configuration read again', {
        file,
        changed: changed.join(',') || undefined,
        needRestart: needRestart.join(',') || undefined,
      })
    } catch (error) {
      log.error('configuration not read again; the one in force stays', {
        reason: error instanceof Error ? error.message : String(error),
      })
    }
  })
  // A fault of one task is told and survived: the network must not depend on it.
  process.on('unhandledRejection', reason =>
    log.error('a task failed unexpectedly', { reason: String(reason instanceof Error ? reason.stack : reason) }),
  )
  const signal = await new Promise<string>(resolve => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name))
  })
  log.info('stopping; routes and pods stay', { signal })
  await daemon.stop()
  return 0
}

function readArguments() {
  try {
    return parseArgs({
      options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } },
    }).values
  } catch (error) {
    process.stderr.write(`margayd: ${(error as Error).message}\n${usage}`)
    return undefined
  }
}

function refuse(sentence: string): number {
  process.stderr.write(`margayd: ${sentence}\n`)
  return 1
}

process.exit(await main())

// margayctl: the operator's command. Exit codes: 0 ok, 1 failure, 2 wrong usage, 3 not found (docs/cli.md).

import { Command, CommanderError, Option } from 'commander'
import { ConfigError, defaultConfigFile } from '../api/config.ts'
import { version } from '../api/version.ts'
import { registerBgp } from './bgp.ts'
import { registerCni } from './cni.ts'
import { createContext } from './context.ts'
import { registerDatastore } from './datastore.ts'
import { registerExport } from './export.ts'
import { registerGuard } from './guard.ts'
import { registerIpam } from './ipam.ts'
import { registerNode } from './node.ts'
import { CommandError, type Format } from './output.ts'
import { registerLab, withCommandApart } from './lab.ts'
import { registerResources } from './resources.ts'
import { registerRoute } from './route.ts'
import { registerStatus } from './status.ts'
import { registerWireguard } from './wireguard.ts'

const program = new Command('margayctl')
  .description('operates a Margay network')
  .version(version)
  .option('--config <file>', `the daemon's file of this node (default: $MARGAY_CONFIG or ${defaultConfigFile})`)
  .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json', 'yaml']).default('table'))
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'margayctl: ')) })

const context = createContext(() => program.opts<{ config?: string; output: Format }>())
for (const register of [
  registerResources,
  registerDatastore,
  registerExport,
  registerStatus,
  registerNode,
  registerGuard,
  registerBgp,
  registerIpam,
  registerRoute,
  registerWireguard,
  registerCni,
  registerLab,
])
  register(program, context)
inherit(program)

/** Options before the verb are taken after it as well; every verb ends the same way. */
function inherit(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command)
    inherit(child)
  }
}

// `margayctl … | head` closes the pipe early; a full disk is a failure like any other.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.stderr.write(`margayctl: the output could not be written: ${error.message}\n`)
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

try {
  await program.parseAsync(withCommandApart(process.argv.slice(2)), { from: 'user' })
} catch (error) {
  process.exitCode = report(error)
}
// When all is written the command ends, whatever a call has left behind: the kernel tries for two minutes to reach an etcd that is cut off.
process.stdout.write('', error => error ?? process.exit())

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof CommandError || error instanceof ConfigError) {
    process.stderr.write(`margayctl: ${error.message}\n`)
    return error instanceof CommandError ? error.exitCode : 2
  }
  process.stderr.write(`margayctl: ${error instanceof Error ? error.message : String(error)}\n`)
  return 1
}

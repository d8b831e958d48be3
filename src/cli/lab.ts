// `margayctl lab`: a data centre in network namespaces.

import { type Command, Option } from 'commander'
import { labCommands } from '../lab/commands.ts'
import type { LabDatastore } from '../lab/state.ts'
import type { Context } from './context.ts'

interface Named {
  readonly name?: string
}

export function registerLab(program: Command, _context: Context): void {
  const lab = program.command('lab').description('a data centre on this machine, in network namespaces')

  const named = (command: Command): Command => command.option('--name <name>', 'which lab; default: the one that is up')

  lab
    .command('up')
    .argument('<file>', 'what to build, like configs/labs/two-racks.yaml')
    .option('--name <name>', "another name than the file's")
    .option('--wait', 'stay until Ctrl-C, then take it down')
    .addOption(
      new Option('--datastore <type>', "where the cluster's records are")
        .choices(['embedded', 'etcd'])
        .default('embedded'),
    )
    .description('bring a lab up and show it')
    .action((file: string, options: Named & { wait?: boolean; datastore: LabDatastore }) =>
      end(labCommands.up({ file, ...options })),
    )

  lab
    .command('down')
    .argument('[name]', 'which lab; default: the one that is up')
    .option('--name <name>', 'the same')
    .description('remove every namespace, process and file of a lab')
    .action((name: string | undefined, options: Named) => end(labCommands.down({ name: name ?? options.name })))

  named(lab.command('status'))
    .description('what runs, and which sessions are up')
    .action((options: Named) => end(labCommands.status(options)))

  named(lab.command('exec'))
    .argument('<host>', 'a host or pod of the lab')
    .argument('<command...>', 'what to run there')
    .description('run a command on a host or in a pod')
    .action((host: string, command: string[], options: Named) => end(labCommands.exec({ host, command, ...options })))

  named(lab.command('ping'))
    .description('who reaches whom')
    .action((options: Named) => end(labCommands.ping(options)))
}

/**
 * The options of the command that `lab exec` runs are its own: a `--` before the host says so, unless the user wrote one.
 * Takes and returns the words after the program's name.
 */
export function withCommandApart(words: readonly string[]): string[] {
  const verb = words.indexOf('exec')
  if (verb < 1 || words[verb - 1] !== 'lab') return [...words]
  let host = verb + 1
  while (host < words.length && words[host].startsWith('-') && words[host] !== '--')
    host += words[host] === '--name' ? 2 : 1
  return words[host] === '--' ? [...words] : [...words.slice(0, host), '--', ...words.slice(host)]
}

async function end(code: Promise<number>): Promise<void> {
  process.exitCode = await code
}

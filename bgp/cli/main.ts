// The executable: the library as a router of its own, without a kernel, and the command that talks to it.

import { readFileSync } from 'node:fs'
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { checkConfig } from '../core/check.ts'
import { FileError, readConfig } from './config-file.ts'
import { ctl } from './ctl.ts'
import { nearest } from './nearest.ts'
import { run } from './run.ts'

const usage = `bgp-speaker: a BGP router in one process, without a kernel

  bgp-speaker run FILE.json      runs it; JSON lines on standard output, words on standard error
      --control PATH             listens on this unix socket for ctl, curl and others
      --routes                   changes of the best routes are told, too
      --restart                  comes up after a restart: peers with graceful restart have kept its routes
      --mark PATH                the same where this file stands: it is made at the start, removed when the router stops for good
      --no-warm-up               does not compile the code for routes beforehand (half a second of processor time at the start)
      --sockets MODULE           makes sockets with keys and TTL (default: netlink-ts/socket, if that is installed)
      --discovery MODULE         finds peers with "interface" (default: netlink-ts/discovery, if that is installed)
    SIGHUP reads FILE.json again, SIGTERM stops and tells the peers.

  bgp-speaker check FILE.json    says what is wrong with a file

  bgp-speaker ctl PATH …         asks the router whose control socket is PATH; --json for the answer as it is
      show peers [PEER]          show counters [PEER]
      show routes [loc]          show routes in|accepted|out --peer PEER; --family ipv4-unicast|ipv6-unicast
      explain PREFIX             every path with its reason, and who is told
      events                     what happens, as JSON lines
      announce ROUTE …           a prefix, or '{ "prefix": "10.0.0.0/24", "med": 10, "communities": ["65001:1"] }'
      withdraw PREFIX …          show announced
      reset PEER [WORDS]         disable PEER [WORDS]         enable PEER
      refresh PEER [in|out]      reload                       stop [cease|restart] [WORDS]
      dump FILE                  all that peers sent, as MRT (TABLE_DUMP_V2)

  bgp-speaker --version, --help
`

const string = { type: 'string' } as const
const boolean = { type: 'boolean' } as const

const commands: Readonly<Record<string, (argv: readonly string[]) => Promise<void> | void>> = {
  run: async argv => {
    const { values, positionals } = parse(argv, {
      control: string,
      routes: boolean,
      restart: boolean,
      mark: string,
      'no-warm-up': boolean,
      sockets: string,
      discovery: string,
    })
    await run({ ...values, warmUp: !values['no-warm-up'], file: only(positionals, 'run FILE.json') })
  },
  check: argv => {
    const { positionals } = parse(argv, {})
    const file = only(positionals, 'check FILE.json')
    const issues = checkConfig(readConfig(file).speaker)
    if (issues.length > 0) throw new FileError(file, issues)
  },
  ctl: async argv => {
    const { values, positionals } = parse(argv, { peer: string, family: string, json: boolean })
    const [path, ...words] = positionals
    if (words.length === 0) throw new Error('say what is asked: bgp-speaker ctl PATH show peers')
    await ctl(path, words, values)
  },
}

async function main([command = '', ...argv]: readonly string[]): Promise<void> {
  if (command === '--help' || command === 'help' || command === '') return void process.stdout.write(usage)
  if (command === '--version') return void process.stdout.write(`${version()}\n`)
  if (Object.hasOwn(commands, command)) return commands[command](argv)
  const near = nearest(command, Object.keys(commands))
  const next = near === undefined ? 'bgp-speaker --help lists what there is' : `did you mean ${near}?`
  throw new Error(`there is no bgp-speaker ${command}: ${next}`)
}

/** Options may stand anywhere. */
function parse<const T extends ParseArgsOptionsConfig>(argv: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true })
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    throw new Error(`${words}; bgp-speaker --help lists the options`, { cause: error })
  }
}

function only(words: readonly string[], form: string): string {
  if (words.length === 1) return words[0]
  throw new Error(`write it like this: bgp-speaker ${form}`)
}

/** That of the package, two folders up from here in the sources, one from the bundle. */
function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
  return version
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}

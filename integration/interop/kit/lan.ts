// Hosts on one Ethernet: a network namespace each, all of them at a bridge that can be severed. Made for one cell of the matrix
// and removed at its end, with every process in it.

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { inNamespace, processesIn } from '../../../src/lab/processes.ts'

const run = promisify(execFile)

/** At the bridge in this order: `.1`, `.2`, `.3`. */
export const hostNames = ['ours', 'theirs', 'third'] as const
export type HostName = (typeof hostNames)[number]

let count = 0

export class Lan {
  readonly #bridge: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'mgi-'))
  readonly hosts: Readonly<Record<HostName, Host>>

  private constructor() {
    const name = `mgi-${process.pid}-${count++}`
    this.#bridge = `${name}-lan`
    // Daemons that give up root write there, too.
    chmodSync(this.#directory, 0o777)
    const host = (which: HostName) => new Host(`${name}-${which}`, hostNames.indexOf(which) + 1, this.#directory)
    this.hosts = { ours: host('ours'), theirs: host('theirs'), third: host('third') }
  }

  static make(t: Test): Lan {
    const lan = new Lan()
    const remove = () => lan.#remove()
    process.once('exit', remove)
    t.teardown(() => {
      process.off('exit', remove)
      remove()
    })
    lan.#create()
    return lan
  }

  /** While severed, nothing that a host sends arrives, and no host notices. */
  sever(on: boolean): void {
    execFileSync('ip', ['-n', this.#bridge, 'link', 'set', 'br0', on ? 'down' : 'up'])
  }

  /** No host has to ask for the hardware address of another, so one that cannot be reached is not known to be so. */
  fixNeighbours(extra: Partial<Record<HostName, readonly string[]>> = {}): void {
    for (const from of hostNames) {
      const lines = hostNames
        .filter(name => name !== from)
        .flatMap(to => {
          const { ipv4, ipv6, mac } = this.hosts[to]
          return [ipv4, ipv6, ...(extra[to] ?? [])].map(
            address => `neigh replace ${address} lladdr ${mac} dev eth0 nud permanent`,
          )
        })
      batch(this.hosts[from].netns, lines)
    }
  }

  get #namespaces(): readonly string[] {
    return [this.#bridge, ...Object.values(this.hosts).map(host => host.netns)]
  }

  #create(): void {
    ip(
      [],
      this.#namespaces.map(name => `netns add ${name}`),
    )
    batch(this.#bridge, [
      'link add br0 type bridge',
      'link set br0 up',
      ...Object.entries(this.hosts).flatMap(([name, { netns, mac }]) => [
        `link add ${name} type veth peer name eth0 address ${mac} netns ${netns}`,
        `link set ${name} master br0 up`,
      ]),
    ])
    for (const { netns, ipv4, ipv6 } of Object.values(this.hosts))
      batch(netns, [
        `addr add ${ipv4}/16 dev eth0`,
        `addr add ${ipv6}/64 dev eth0 nodad`,
        'link set lo up',
        'link set eth0 up',
      ])
  }

  #remove(): void {
    removeNamespaces(this.#namespaces)
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

export class Host {
  readonly netns: string
  readonly ipv4: string
  readonly ipv6: string
  readonly mac: string
  /** For files of what runs here; whoever runs may write. */
  readonly directory: string

  constructor(netns: string, number: number, parent: string) {
    this.netns = netns
    this.ipv4 = `10.99.0.${number}`
    this.ipv6 = `fd99::${number}`
    this.mac = `02:00:00:00:00:0${number}`
    this.directory = join(parent, netns)
    mkdirSync(this.directory)
    chmodSync(this.directory, 0o777)
  }

  file(name: string, text: string): string {
    const path = join(this.directory, name)
    writeFileSync(path, text, { mode: 0o644 })
    return path
  }

  /** What it prints; the exit status does not matter, as programs that ask a daemon differ in what they mean by it. */
  async exec(...argv: readonly string[]): Promise<string> {
    const [command, ...args] = inNamespace(this.netns, argv)
    const { stdout } = await run(command, args, { maxBuffer: 1 << 26 }).catch((error: { stdout?: string }) => error)
    return stdout ?? ''
  }

  /** Runs until it is killed; what it prints is added to `NAME.log`. */
  spawn(name: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
    const log = openSync(join(this.directory, `${name}.log`), 'a')
    const child = spawn('ip', ['netns', 'exec', this.netns, ...argv], {
      stdio: ['ignore', log, log],
      cwd: this.directory,
      env: { ...process.env, ...env },
    })
    closeSync(log)
    return new Running(child)
  }

  log(name: string): string {
    try {
      return readFileSync(join(this.directory, `${name}.log`), 'utf8')
    } catch {
      return ''
    }
  }

  addAddresses(addresses: readonly string[]): void {
    batch(
      this.netns,
      addresses.map(address => `addr add ${address}${address.includes(':') ? '/64 dev eth0 nodad' : '/16 dev eth0'}`),
    )
  }

  /** TCP connections in this state with a BGP port at either end. */
  async connections(state: 'established' | 'syn-sent'): Promise<number> {
    const text = await this.exec('ss', '-Htn', 'state', state, '( sport = :179 or dport = :179 )')
    return text.split('\n').filter(line => line !== '').length
  }

  /** With every process in it. */
  remove(): void {
    removeNamespaces([this.netns])
  }
}

/** A process of a host. */
export class Running {
  readonly #child: ChildProcess
  /** Ends when the process has. */
  readonly ended: Promise<void>

  constructor(child: ChildProcess) {
    this.#child = child
    this.ended = new Promise(resolve => void child.once('exit', () => resolve()))
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal)
    await this.ended
  }
}

function batch(netns: string, lines: readonly string[]): void {
  ip(['-n', netns], lines)
}

/** Several commands of `ip` by one program. */
function ip(options: readonly string[], lines: readonly string[]): void {
  execFileSync('ip', [...options, '-batch', '-'], { input: lines.join('\n'), stdio: 'pipe' })
}

function removeNamespaces(names: readonly string[]): void {
  for (const { pid } of processesIn(names)) killPid(pid)
  try {
    ip(
      ['-force'],
      names.map(name => `netns del ${name}`),
    )
  } catch {
    // one was never made
  }
}

function killPid(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended by itself
  }
}

// A lab for a test: brought up by margayctl as a user would, under a name of its own so that it never meets a demo or another
// test, and taken down at the end, after a failure, on Ctrl-C, and, if all of that was missed, by the next test that runs.

import { execFile, execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Api, Path } from '../../src/api/contract.ts'
import { tearDown } from '../../src/lab/down.ts'
import { startEtcd } from '../../src/lab/etcd.ts'
import { ask, nodeFiles, runtimeOf, startNode } from '../../src/lab/nodes.ts'
import { partiesOf, podAddresses } from '../../src/lab/parties.ts'
import { addPod, removePod } from '../../src/lab/pods.ts'
import { inNamespace, isAlive, type ProcessId, recorded, signal, stop } from '../../src/lab/processes.ts'
import { findPrograms, type Programs } from '../../src/lab/programs.ts'
import { type Probe, probeAll } from '../../src/lab/reach.ts'
import { type KernelRoute, kernelRoutes } from '../../src/lab/routes.ts'
import { startRouter } from '../../src/lab/routers/start.ts'
import { type LabDatastore, LabDir, labNames } from '../../src/lab/state.ts'
import type { Addresses, Topology } from '../../src/lab/topology.ts'
import { untilNextLook } from './looks.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, whatever its exit code. */
export function execute(
  argv: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  return new Promise(resolve => {
    const [command, ...args] = argv
    const child = execFile(
      command,
      args,
      { cwd: root, maxBuffer: 1 << 26, env: { ...process.env, NO_COLOR: '1', ...options.env } },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input ?? '')
  })
}

/** `margayctl` of this tree. */
export const margayctl = (...args: string[]): Promise<Ended> =>
  execute([process.execPath, join(root, 'dist/margayctl.js'), ...args])

export const labFile = (name: string): string => join(root, 'configs/labs', `${name}.yaml`)

/** An emulated machine is many times slower, and says so (scripts/stock-kernel). */
export const slowness = Number(process.env['MARGAY_LAB_SLOWNESS'] ?? 1)

/** Polls until `read` gives a value other than undefined or false; fails with `what` after `limit` seconds. */
export async function eventually<T>(what: string, read: () => Promise<T | undefined | false>, limit = 20): Promise<T> {
  const deadline = performance.now() + limit * slowness * 1000
  for (;;) {
    const since = performance.now()
    const value = await read()
    if (value !== undefined && value !== false) return value
    if (performance.now() > deadline) throw new Error(`not within ${limit} s: ${what}`)
    await untilNextLook(since)
  }
}

const prefix = 't-'

export class TestLab {
  readonly dir: LabDir
  readonly programs: Programs

  private constructor(name: string, programs: Programs) {
    this.dir = new LabDir(name)
    this.programs = programs
  }

  /** Brings up a lab of configs/labs, or the text of one. `tag` becomes part of the name. */
  static async up(
    t: Test,
    source: { readonly lab: string } | { readonly text: string },
    tag: string,
    datastore: LabDatastore = 'embedded',
  ): Promise<TestLab> {
    const name = await TestLab.reserve(t, tag)
    const folder = mkdtempSync(join(tmpdir(), 'margay-lab-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const file = 'lab' in source ? labFile(source.lab) : join(folder, 'lab.yaml')
    if ('text' in source) writeFileSync(file, source.text)
    const ended = await margayctl('lab', 'up', '--name', name, '--datastore', datastore, file)
    if (ended.code !== 0) throw new Error(`the lab did not come up:\n${ended.stdout}${ended.stderr}`)
    t.comment(ended.stdout)
    return new TestLab(name, findPrograms())
  }

  /** A name whose lab is removed when the test ends, however it ends. */
  static async reserve(t: Test, tag: string): Promise<string> {
    if (process.env['MARGAY_BUILT'] === undefined)
      execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
    await removeOrphans()
    const name = `${prefix}${tag}-${process.pid}`
    const remove = (): Promise<unknown> => tearDown(name)
    t.teardown(remove)
    for (const event of ['SIGINT', 'SIGTERM'] as const)
      process.once(event, () => void remove().then(() => process.exit(1)))
    return name
  }

  get name(): string {
    return this.dir.name
  }

  get topology(): Topology {
    const state = this.dir.read()
    if (!state) throw new Error(`lab ${this.name} is not there`)
    return state.topology
  }

  get nodes(): readonly string[] {
    return this.topology.nodes.map(node => node.host)
  }

  netns(host: string): string {
    return `${this.name}-${host}`
  }

  /** Runs a command in a host's or pod's namespace; rejects unless it ends with 0. */
  async exec(host: string, ...argv: string[]): Promise<string> {
    const ended = await this.tryExec(host, ...argv)
    if (ended.code !== 0) throw new Error(`${argv.join(' ')} on ${host}: ${ended.stderr || ended.stdout}`)
    return ended.stdout
  }

  tryExec(host: string, ...argv: string[]): Promise<Ended> {
    const bin = this.dir.bin(host)
    const PATH = existsSync(bin) ? `${bin}:${process.env.PATH}` : process.env.PATH
    return execute(inNamespace(this.netns(host), argv), { env: { PATH } })
  }

  ask<P extends Path>(node: string, path: P, query: Api[P]['query']): Promise<Api[P]['answer']> {
    return ask(this.dir, node, path, query)
  }

  /** `margayctl` with a node's own configuration, in its namespace. */
  margayctl(node: string, ...args: string[]): Promise<Ended> {
    return this.tryExec(node, 'margayctl', ...args)
  }

  /** `margayctl apply` of that text on a node; throws what it says unless it succeeds. */
  async apply(node: string, text: string): Promise<void> {
    const file = join(this.dir.path, 'applied.yaml')
    writeFileSync(file, text)
    const { code, stdout, stderr } = await this.margayctl(node, 'apply', '-f', file)
    if (code !== 0) throw new Error(`margayctl apply on ${node}: ${stderr || stdout}`)
  }

  routes(host: string): Promise<readonly KernelRoute[]> {
    return kernelRoutes(this.netns(host))
  }

  addresses(pod: string): Addresses {
    const { node } = this.topology.pods.find(each => each.name === pod)!
    return podAddresses(this.dir, node, pod)
  }

  probe(): Promise<readonly Probe[]> {
    const { sources, targets } = partiesOf(this.dir, this.topology)
    return probeAll(sources, targets)
  }

  runtime(node: string) {
    return runtimeOf(this.dir, node, this.programs)
  }

  addPod(node: string, name: string) {
    return addPod(this.dir, node, name, this.programs)
  }

  removePod(name: string) {
    return removePod(this.dir, name, this.programs)
  }

  /** A process by host and role: `r1n1`, `margayd`. */
  process(host: string, role: string): ProcessId {
    const id = recorded(this.dir.processes).get(`${host}-${role}`)
    if (!id) throw new Error(`no ${role} was started on ${host}`)
    return id
  }

  signal(host: string, role: string, name: NodeJS.Signals): void {
    signal([this.process(host, role)], name)
  }

  /** `kill -9`, and gone when it resolves. */
  async kill(host: string, role: string): Promise<void> {
    const id = this.process(host, role)
    signal([id], 'SIGKILL')
    while (isAlive(id)) await sleep(5)
  }

  /** SIGTERM, and gone when it resolves. */
  async stop(host: string, role: string): Promise<void> {
    await stop([this.process(host, role)], 10_000)
  }

  /** `margayd` by another build than this tree's: the path of its file. */
  startNode(node: string, margayd = this.programs.margayd): void {
    startNode(this.dir, node, { ...this.programs, margayd })
  }

  /** The lab's etcd again, with what it held; `args`: more of its options. */
  startEtcd(args: readonly string[] = []): Promise<void> {
    return startEtcd(this.dir, { args })
  }

  startRouter(host: string): Promise<void> {
    return startRouter(
      this.dir,
      this.topology.routers.find(router => router.host === host)!,
    )
  }

  /**
   * Breaks the cable between two hosts that alone share a subnet, or mends it: both ends lose the carrier, and neither its
   * addresses, as they would not if the end itself were set down.
   */
  async cable(a: string, b: string, change: 'up' | 'down'): Promise<void> {
    const linksOf = (name: string) => this.topology.hosts.find(host => host.name === name)!.links
    const ports = linksOf(a).flatMap(link => {
      const other = linksOf(b).find(each => each.subnet === link.subnet)
      return other ? [link.port, other.port] : []
    })
    if (ports.length !== 2) throw new Error(`${a} and ${b} share ${ports.length / 2} subnets`)
    const script = ports.map(port => `link set ${port} ${change}\n`).join('')
    const ended = await execute(['ip', '-netns', this.netns('switch'), '-batch', '-'], { input: script })
    if (ended.code !== 0) throw new Error(ended.stderr)
  }

  files(node: string) {
    return nodeFiles(this.dir, node)
  }

  /** Until every session of these nodes is Established. */
  async established(nodes = this.nodes): Promise<void> {
    for (const node of nodes)
      await eventually(
        `all sessions of ${node} are Established`,
        async () => {
          const summary = await this.ask(node, '/v1/bgp/summary', {}).catch(() => undefined)
          return summary?.peers.every(peer => peer.state === 'Established')
        },
        40,
      )
  }

  /**
   * Starts a command that runs until what it returns is called, which gives all that it printed. Into a file, so that the
   * command never waits for its reader.
   */
  running(host: string, argv: readonly string[]): () => Promise<string> {
    const [command, ...args] = inNamespace(this.netns(host), argv)
    const folder = mkdtempSync(join(tmpdir(), 'margay-run-'))
    const file = join(folder, 'output')
    const output = openSync(file, 'w')
    const child = spawn(command, args, { stdio: ['ignore', output, 'inherit'] })
    closeSync(output)
    const closed = new Promise<void>(resolve => child.on('close', () => resolve()))
    return async () => {
      child.kill('SIGINT')
      await closed
      const text = readFileSync(file, 'utf8')
      rmSync(folder, { recursive: true })
      return text
    }
  }

  /** Notes what a host's kernel loses of its route table, until `end`, which tells: a line a route. */
  losses(host: string): { end: () => Promise<readonly string[]> } {
    const end = this.running(host, ['ip', '-o', 'monitor', 'route'])
    return {
      end: async () => {
        const text = await end()
        return text.split('\n').filter(line => line.startsWith('Deleted'))
      },
    }
  }

  /** A ping that runs until `end`, which tells how many packets were sent, and the sequence numbers that had no answer. */
  pinging(
    pod: string,
    address: string,
    perSecond: number,
  ): { end: () => Promise<{ sent: number; lost: readonly number[] }> } {
    // Ahead of everything else on this machine: a prober that has to wait for the processor would count its own losses.
    const end = this.running(pod, ['nice', '-n', '-20', 'ping', '-n', '-i', String(1 / perSecond), address])
    return {
      end: async () => {
        const text = await end()
        const sent = Number(/(\d+) packets transmitted/.exec(text)?.[1])
        const answered = new Set([...text.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, sequence]) => Number(sequence)))
        // The very last may still have been under way.
        const due = Array.from({ length: sent - 1 }, (_, i) => i + 1)
        return { sent, lost: due.filter(sequence => !answered.has(sequence)) }
      },
    }
  }
}

/** Labs of tests that were killed before they could remove them. */
async function removeOrphans(): Promise<void> {
  for (const name of labNames()) {
    const [, pid] = /^t-.*-(\d+)$/.exec(name) ?? []
    if (pid && !existsSync(`/proc/${pid}`)) await tearDown(name)
  }
}

// `margayctl lab up|down|status|exec|ping`, as functions: they print on the `LabIo` they are given and return the exit code.
// 0 ok, 1 failure, 2 wrong usage, 3 not found; `exec` returns the code of the command it runs.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tearDown, namespacesOfLab } from './down.ts'
import { isName } from './file/schema.ts'
import { ask } from './nodes.ts'
import { counted, type ExitCode, LabError, type LabIo, paintFor, processIo } from './output.ts'
import { partiesOf } from './parties.ts'
import { requireRoot } from './preflight.ts'
import { inNamespace, isAlive, recorded } from './processes.ts'
import { type Probe, probeAll } from './reach.ts'
import { run } from './run.ts'
import { heading, lossText, matrixText, routesText, sessionsText, tryText } from './screen.ts'
import { type LabDatastore, LabDir, labNames, type LabState } from './state.ts'
import { bringUp } from './up.ts'
import type { BgpSummary } from '../api/contract.ts'

export interface UpOptions {
  /** The lab file. */
  readonly file: string
  /** Instead of the file's own name. */
  readonly name?: string
  /** Where the cluster's records are. Default: `embedded`. */
  readonly datastore?: LabDatastore
  /** Stay until interrupted, then take the lab down. */
  readonly wait?: boolean
}

export interface NamedOptions {
  /** Default: the one lab that is up. */
  readonly name?: string
}

export interface ExecOptions extends NamedOptions {
  /** A host or pod of the lab. */
  readonly host: string
  readonly command: readonly string[]
}

export const labCommands = {
  /** Brings a lab up and shows it. Ctrl-C on the way removes what was made. */
  up: (options: UpOptions, io: LabIo = interruptible()): Promise<ExitCode> => answering(io, () => up(options, io)),
  /** Removes a lab: processes, namespaces, files. Nothing there is no failure. */
  down: (options: NamedOptions = {}, io: LabIo = processIo()): Promise<ExitCode> =>
    answering(io, () => down(options, io)),
  /** What runs, which sessions are up. 1 if something is not as it should be. */
  status: (options: NamedOptions = {}, io: LabIo = processIo()): Promise<ExitCode> =>
    answering(io, () => status(options, io)),
  /** Runs a command in a host's or pod's namespace, on this process's own streams. */
  exec: (options: ExecOptions, io: LabIo = processIo()): Promise<number> => answering(io, () => exec(options)),
  /** The reachability matrix. 1 if a ping had no answer. */
  ping: (options: NamedOptions = {}, io: LabIo = processIo()): Promise<ExitCode> =>
    answering(io, () => ping(options, io)),
} as const

/** Ctrl-C and its like abort instead of killing, however often they come: npm passes on what the terminal has sent already. */
function interruptible(): LabIo {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => controller.abort())
  return processIo(controller.signal)
}

async function answering<T extends number>(io: LabIo, command: () => Promise<T>): Promise<T | ExitCode> {
  try {
    return await command()
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    io.err(`${paintFor(io)('red', 'error:')} ${error.message}\n`)
    return error.exitCode
  }
}

async function up({ file, name, datastore = 'embedded', wait }: UpOptions, io: LabIo): Promise<ExitCode> {
  const paint = paintFor(io)
  const { state, probes, took } = await bringUp(file, name, datastore, io)
  const { topology } = state
  const lab = new LabDir(state.name)
  const outside = topology.hosts.filter(host => host.role === 'outside').length
  const counts = [
    counted(topology.nodes.length, 'node'),
    counted(topology.routers.length, 'router'),
    counted(topology.pods.length, 'pod'),
    counted(outside, 'outside host'),
  ].filter(text => !text.startsWith('0 '))
  io.out(`\n${paint('bold', `${state.name} is up`)} in ${took}: ${counts.join(', ')}\n`)
  io.out(heading(paint, 'SESSIONS', 'prefixes in and out'))
  io.out(`${sessionsText(await summariesOf(lab, state), paint)}\n`)
  const node = topology.hosts.find(host => host.role === 'node')
  if (node) {
    io.out(heading(paint, `ROUTES OF ${node.name}`, `ip netns exec ${node.netns} ip route`))
    io.out(`${routesText(await run(['ip', '-netns', node.netns, 'route']), paint)}\n`)
  }
  printMatrix(lab, state, probes, io)
  io.out(heading(paint, 'TRY NEXT'))
  io.out(`${tryText(topology, labCommand(state.name), paint)}\n`)
  if (wait) await untilInterrupted(state.name, io)
  return probes.every(probe => probe.ok) ? 0 : 1
}

async function untilInterrupted(name: string, io: LabIo): Promise<void> {
  io.out(`\nCtrl-C takes it down.\n`)
  const idle = setInterval(() => {}, 60_000)
  await new Promise<void>(resolve => {
    if (io.signal.aborted) resolve()
    else io.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  clearInterval(idle)
  await tearDown(name, io)
  io.out(`\nLab ${name} is down.\n`)
}

/** How the user calls one of these commands: npm's demo script says so in the environment. The lab is named where there are several. */
function labCommand(name: string): (verb: string) => string {
  const called = process.env['MARGAY_LAB_COMMAND'] ?? 'margayctl lab'
  if (labNames().length === 1) return verb => `${called} ${verb}`
  return verb => `${called} ${verb} ${verb === 'down' ? name : `--name ${name}`}`
}

async function down({ name }: NamedOptions, io: LabIo): Promise<ExitCode> {
  requireRoot()
  requireName(name)
  const names = name === undefined ? labNames() : [name]
  if (names.length === 0) {
    io.out('No lab is up: nothing to remove.\n')
    return 0
  }
  if (names.length > 1) throw new LabError(2, `Several labs are up: say which, ${names.join(' or ')}.`)
  const removed = await tearDown(names[0], io)
  const nothing = !removed.files && removed.namespaces === 0 && removed.processes === 0
  io.out(
    nothing
      ? `Lab ${names[0]} is not up: nothing to remove.\n`
      : `Lab ${names[0]} is down: ${removed.processes} processes and ${removed.namespaces} namespaces removed.\n`,
  )
  return 0
}

async function status({ name }: NamedOptions, io: LabIo): Promise<ExitCode> {
  const { lab, state } = find(name)
  const paint = paintFor(io)
  const processes = recorded(lab.processes)
  const dead = [...processes].filter(([, id]) => !isAlive(id)).map(([role]) => role)
  const there = new Set(namespacesOfLab(state.name))
  io.out(`${paint('bold', state.name)}  ${state.phase} since ${state.startedAt}, from ${state.file}\n`)
  io.out(`  ${processes.size - dead.length} of ${processes.size} processes run, ${there.size} namespaces\n`)
  const summaries = await summariesOf(lab, state)
  if (summaries.length > 0)
    io.out(`${heading(paint, 'SESSIONS', 'prefixes in and out')}${sessionsText(summaries, paint)}\n`)
  for (const role of dead) io.out(`  ${paint('red', '!')} ${role} has ended: see ${lab.path}/logs/${role}.log\n`)
  const silent = state.topology.nodes.filter(node => !summaries.some(summary => summary.node === node.host))
  for (const node of silent) io.out(`  ${paint('red', '!')} margayd of ${node.host} does not answer\n`)
  const downPeers = summaries.flatMap(({ node, peers }) =>
    peers
      .filter(peer => peer.state !== 'Established')
      .map(peer => `${node} to ${peer.name}: ${peer.lastError ?? peer.state}`),
  )
  for (const text of downPeers) io.out(`  ${paint('red', '!')} ${text}\n`)
  return dead.length + silent.length + downPeers.length === 0 ? 0 : 1
}

async function exec({ name, host, command }: ExecOptions): Promise<number> {
  requireRoot()
  if (command.length === 0) throw new LabError(2, `Say what to run on ${host}: margayctl lab exec ${host} ip route`)
  const { lab, state } = find(name)
  const { hosts, pods } = state.topology
  const found = [...hosts, ...pods].find(one => one.name === host || one.netns === host)
  if (!found)
    throw new LabError(
      3,
      `Lab ${state.name} has no host ${host}: it has ${[...hosts, ...pods].map(one => one.name).join(', ')}.`,
    )
  const bin = lab.bin(found.name)
  const env = existsSync(bin) ? { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` } : process.env
  const [program, ...args] = inNamespace(found.netns, command)
  const child = spawn(program, args, { stdio: 'inherit', env })
  // Ctrl-C belongs to the command.
  const ignore = (): void => {}
  process.on('SIGINT', ignore)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('SIGINT', ignore)
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1))
    })
  })
}

async function ping({ name }: NamedOptions, io: LabIo): Promise<ExitCode> {
  requireRoot()
  const { lab, state } = find(name)
  const { sources, targets } = partiesOf(lab, state.topology)
  const probes = await probeAll(sources, targets, io.signal)
  printMatrix(lab, state, probes, io)
  return probes.every(probe => probe.ok) ? 0 : 1
}

function printMatrix(lab: LabDir, state: LabState, probes: readonly Probe[], io: LabIo): void {
  const paint = paintFor(io)
  const answered = probes.filter(probe => probe.ok).length
  const note = `rows ping columns, ● IPv4 and IPv6; ${answered} of ${probes.length} answered`
  io.out(heading(paint, 'REACHABILITY', note))
  io.out(`${matrixText(partiesOf(lab, state.topology), probes, paint)}\n`)
  for (const line of lossText(probes)) io.out(`  ${paint('red', line)}\n`)
}

/** What each node's daemon says; those that do not answer are left out. */
async function summariesOf(lab: LabDir, state: LabState): Promise<readonly BgpSummary[]> {
  const asked = await Promise.allSettled(state.topology.nodes.map(node => ask(lab, node.host, '/v1/bgp/summary', {})))
  return asked.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
}

/** A name becomes a path: nothing but names of labs may. */
function requireName(name: string | undefined): void {
  if (name === undefined || isName(name)) return
  throw new LabError(
    2,
    `${JSON.stringify(name)} is no name of a lab: names have small letters, digits and dashes, like two-racks.`,
  )
}

function find(name: string | undefined): { readonly lab: LabDir; readonly state: LabState } {
  requireName(name)
  const names = labNames()
  if (name === undefined && names.length > 1)
    throw new LabError(2, `Several labs are up: say which with --name, ${names.join(' or ')}.`)
  const chosen = name ?? names[0]
  if (chosen === undefined)
    throw new LabError(3, 'No lab is up: bring one up with margayctl lab up configs/labs/two-racks.yaml')
  const lab = new LabDir(chosen)
  const state = lab.read()
  if (!state)
    throw new LabError(3, `There is no lab ${chosen}${names.length > 0 ? `: ${names.join(', ')} is up` : ''}.`)
  return { lab, state }
}

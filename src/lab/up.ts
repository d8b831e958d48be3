// Brings a lab up, step by step. The plan is on disk before anything is made, so that whatever stops this in the middle, `down`
// finds all of it.

import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatProblem } from '../resources/problem.ts'
import { tearDown } from './down.ts'
import { type ReadLab, readLab } from './file/read.ts'
import { requireEtcd, startEtcd } from './etcd.ts'
import { isName } from './file/schema.ts'
import { makeNetwork, namespacesThere } from './network.ts'
import { applyResources, ask, attachPod, nodeResources, prepareNode, startNode } from './nodes.ts'
import { counted, LabError, type LabIo, NotConverged, Progress } from './output.ts'
import { partiesOf } from './parties.ts'
import { preflight, requireRoot } from './preflight.ts'
import { isAlive, recorded, self } from './processes.ts'
import { findPrograms, type Programs } from './programs.ts'
import { type Probe, probeAll } from './reach.ts'
import { startRouter } from './routers/start.ts'
import { destinations } from './routes.ts'
import { type LabDatastore, LabDir, type LabState } from './state.ts'
import { namespacesOf, planTopology, type Topology } from './topology.ts'
import { until } from './until.ts'

/** An emulated machine is many times slower; whoever starts one says so (scripts/stock-kernel). */
const slowness = Number(process.env['MARGAY_LAB_SLOWNESS'] ?? 1)
/** How long sessions, routes and pings may take to come, milliseconds. */
const patience = {
  daemons: 15_000 * slowness,
  sessions: 30_000 * slowness,
  routes: 15_000 * slowness,
  reachability: 15_000 * slowness,
}

export interface Brought {
  readonly state: LabState
  readonly probes: readonly Probe[]
  readonly took: string
}

/** Throws `LabError`; what was begun is removed again, unless it only failed to become reachable. */
export async function bringUp(
  file: string,
  name: string | undefined,
  datastore: LabDatastore,
  io: LabIo,
): Promise<Brought> {
  const { read, topology } = load(file, name)
  requireRoot()
  const programs = findPrograms()
  const lab = new LabDir(topology.name)
  const state: LabState = {
    name: topology.name,
    file,
    startedAt: new Date().toISOString(),
    phase: 'coming up',
    owner: self(),
    topology,
  }
  if (!lab.exists) requireFree(topology)
  if (!lab.claim(state)) throw new LabError(1, alreadyThere(lab))
  const progress = new Progress(io)
  try {
    await build({ lab, read, topology, programs, file, datastore, progress, io })
    let probes: readonly Probe[] = []
    await progress.step('reachability', async () => {
      probes = await reachability(lab, topology, io.signal)
      return `${probes.filter(probe => probe.ok).length} of ${probes.length} pings answered`
    })
    io.signal.throwIfAborted()
    lab.write({ ...state, phase: 'up' })
    return { state, probes, took: progress.elapsed }
  } catch (error) {
    const stopped = io.signal.aborted
    if (error instanceof NotConverged && !stopped) {
      lab.write({ ...state, phase: 'up' })
      throw new LabError(1, `${error.message}\nThe lab stays up: look into ${lab.path}/logs, then take it down.`)
    }
    if (stopped) io.err(`\nInterrupted: removing what was made.\n`)

    await tearDown(topology.name)
    if (stopped) throw new LabError(1, `Lab ${topology.name} was interrupted while it came up; nothing of it is left.`)
    throw error
  }
}

function load(file: string, name: string | undefined): { read: ReadLab; topology: Topology } {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new LabError(2, `Lab file ${file} ${reason}: name one of configs/labs/*.yaml, or your own.`)
  }
  const reading = readLab(text, file)
  if (!reading.ok) throw new LabError(2, reading.problems.map(formatProblem).join('\n'))
  if (name !== undefined && !isName(name))
    throw new LabError(
      2,
      `--name ${name} is not a name: use small letters, digits and dashes, at most 24, beginning with a letter or digit.`,
    )
  const planning = planTopology(reading.value, name)
  if (!planning.ok) throw new LabError(2, planning.problems.map(formatProblem).join('\n'))
  return { read: reading.value, topology: planning.topology }
}

function alreadyThere(lab: LabDir): string {
  const state = lab.read()
  const how =
    state?.phase === 'up'
      ? 'is up'
      : state && isAlive(state.owner)
        ? `is coming up (pid ${state.owner.pid})`
        : 'was left half made'
  return `Lab ${lab.name} ${how}: take it down first with ${process.env['MARGAY_LAB_COMMAND'] ?? 'margayctl lab'} down ${lab.name}, or give this one another name with --name.`
}

/** A namespace of one of our names that no lab made is somebody's, or what is left of a lab whose record is lost. */
function requireFree(topology: Topology): void {
  const there = new Set(namespacesThere())
  const taken = namespacesOf(topology).find(netns => there.has(netns))
  if (taken)
    throw new LabError(
      1,
      `Network namespace ${taken} exists already and no lab made it: give the lab another name with --name, or, if nobody needs it, remove it with ip netns del ${taken}.`,
    )
}

interface Building {
  readonly lab: LabDir
  readonly read: ReadLab
  readonly topology: Topology
  readonly programs: Programs
  readonly file: string
  readonly datastore: LabDatastore
  readonly progress: Progress
  readonly io: LabIo
}

async function build({ lab, read, topology, programs, file, datastore, progress, io }: Building): Promise<void> {
  const nodes = topology.nodes.map(node => node.host)
  await progress.step('checks', async () => {
    await preflight(topology)
    if (datastore === 'etcd') requireEtcd()
    return 'root, kernel, programs'
  })
  await progress.step('network', async () => {
    await makeNetwork(topology)
    return `${counted(namespacesOf(topology).length, 'namespace')}, ${counted(topology.switch.bridges.length, 'subnet')}`
  })
  if (topology.routers.length > 0)
    await progress.step('routers', async () => {
      await Promise.all(topology.routers.map(router => startRouter(lab, router, io.signal)))
      return topology.routers.map(router => `${router.host} (${router.kind})`).join(', ')
    })
  if (nodes.length === 0) return
  if (datastore === 'etcd')
    await progress.step('etcd', async () => {
      await startEtcd(lab, { signal: io.signal })
      return 'one member'
    })
  await progress.step('resources', async () => {
    for (const node of nodes) prepareNode(lab, node, programs, datastore)
    writeFileSync(lab.resources, read.resourceText)
    writeFileSync(lab.nodeResources, nodeResources(topology.nodes, read.resources))
    await applyResources(lab, nodes[0], programs, file)
    return `${read.resources.length} of the file, ${counted(nodes.length, 'Node')}`
  })
  await progress.step('margayd', async () => {
    for (const node of nodes) startNode(lab, node, programs)
    await Promise.all(nodes.map(node => daemonAnswers(lab, node, io.signal)))
    return nodes.join(', ')
  })
  await progress.step('pods', async () => {
    await Promise.all(nodes.map(node => attachPods(lab, topology, node, programs, io.signal)))
    return `${topology.pods.length} attached by margay-cni`
  })
  await progress.step('sessions', async () => `${await sessionsUp(lab, nodes, io.signal)} Established`)
  await progress.step('routes', async () => `${await routesThere(lab, topology, io.signal)} in the nodes' kernels`)
}

/** One after another, so that a pod's address follows from its place in the lab file. */
async function attachPods(
  lab: LabDir,
  topology: Topology,
  node: string,
  programs: Programs,
  signal: AbortSignal,
): Promise<void> {
  for (const pod of topology.pods.filter(pod => pod.node === node)) {
    signal.throwIfAborted()
    await attachPod(lab, pod, programs)
  }
}

async function daemonAnswers(lab: LabDir, node: string, signal: AbortSignal): Promise<void> {
  let last = ''
  await until(
    async () => {
      try {
        await ask(lab, node, '/v1/status', {})
        return true
      } catch (error) {
        last = (error as Error).message
        const id = recorded(lab.processes).get(`${node}-margayd`)
        if (id && !isAlive(id)) throw new LabError(1, `margayd of ${node} ended at once: ${lab.tail(node, 'margayd')}`)
        return false
      }
    },
    patience.daemons,
    () => new LabError(1, `margayd of ${node} does not answer: ${last}`),
    signal,
  )
}

/** Waits for every session of every node; returns how many. */
export async function sessionsUp(lab: LabDir, nodes: readonly string[], signal?: AbortSignal): Promise<number> {
  const summaries = () => Promise.all(nodes.map(node => ask(lab, node, '/v1/bgp/summary', {})))
  let count = 0
  await until(
    async () => {
      const all = await summaries()
      count = all.reduce((sum, summary) => sum + summary.peers.length, 0)
      return all.every(({ peers }) => peers.every(peer => peer.state === 'Established'))
    },
    patience.sessions,
    async () => {
      const down = (await summaries()).flatMap(summary =>
        summary.peers.flatMap(peer =>
          peer.state === 'Established'
            ? []
            : [`${summary.node} to ${peer.name} is ${peer.state}${peer.lastError ? `: ${peer.lastError}` : ''}`],
        ),
      )
      return new NotConverged(
        `After ${patience.sessions / 1000} s ${counted(down.length, 'session')} of ${count} not Established:\n  ${down.join('\n  ')}`,
      )
    },
    signal,
  )
  return count
}

/** Waits until every node's kernel has every other node's blocks; returns how many routes that makes. */
export async function routesThere(lab: LabDir, topology: Topology, signal?: AbortSignal): Promise<number> {
  const nodes = topology.nodes.map(node => node.host)
  const missing = async (): Promise<readonly string[]> => {
    const blocks = await Promise.all(
      nodes.map(async node => ({ node, blocks: (await ask(lab, node, '/v1/status', {})).blocks })),
    )
    count = 0
    const lacks = await Promise.all(
      topology.hosts
        .filter(host => host.role === 'node')
        .map(async host => {
          const there = await destinations(host.netns)
          const wanted = blocks.flatMap(other => (other.node === host.name ? [] : other.blocks))
          count += wanted.length
          return wanted.filter(block => !there.has(block)).map(block => `${host.name} lacks ${block}`)
        }),
    )
    return lacks.flat()
  }
  let count = 0
  await until(
    async () => (await missing()).length === 0,
    patience.routes,
    async () =>
      new NotConverged(`After ${patience.routes / 1000} s routes are missing: ${(await missing()).join(', ')}.`),
    signal,
  )
  return count
}

/** Everyone pings everyone, again while some get no answer: routers may still be spreading the last routes. */
async function reachability(lab: LabDir, topology: Topology, signal: AbortSignal): Promise<readonly Probe[]> {
  const { sources, targets } = partiesOf(lab, topology)
  const deadline = performance.now() + patience.reachability
  for (;;) {
    const probes = await probeAll(sources, targets, signal)
    if (probes.every(probe => probe.ok) || performance.now() > deadline) return probes
    await sleep(1000, undefined, { signal })
  }
}

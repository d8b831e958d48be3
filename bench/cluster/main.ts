// A cluster of simulated nodes in one process: each has its own plan and speaker, of the code that runs in production, on the in-memory
// network and a virtual clock. Prints one line of JSON, `Step[]`.
//
//     main.ts mesh|reflectors NODES

import { Simulation, type SimulatedSpeaker } from '../../bgp/core.ts'
import { createPlanner } from '../../src/plan/planner.ts'
import { nodeName, snapshotOf, type Topology } from './snapshot.ts'

export interface Step {
  readonly what: 'start' | 'join' | 'reflector dies'
  /** Seconds, of all nodes together. */
  readonly wall: number
  readonly cpu: number
  /** Octets that the process has more than before the first node, a node. */
  readonly memory: number
  /** UPDATEs that were sent, a node; and what they have to be at least. */
  readonly updates: number
  readonly theory: number
}

/** Virtual seconds in which sessions come up and routes arrive. */
const SETTLE = 30
/** Reflectors. */
const REFLECTORS = 2

class Cluster {
  readonly #topology: Topology
  readonly #net = new Simulation(1, 0)
  readonly #speakers = new Map<string, SimulatedSpeaker>()
  readonly #before = inUse()

  constructor(topology: Topology) {
    this.#topology = topology
  }

  /** Plans for so many nodes, and starts those that are not there. */
  grow(nodes: number): void {
    const snapshot = snapshotOf(this.#topology, nodes, REFLECTORS)
    for (let n = 0; n < nodes; n++) {
      const name = nodeName(n)
      const { speaker: config, originate } = createPlanner(name).plan(snapshot)
      if (!config) throw new Error(`${name} has no speaker`)
      const there = this.#speakers.get(name)
      if (there) {
        there.configure(config)
        continue
      }
      const speaker = this.#net.add(config, config.routerId)
      speaker.driver.with(engine => engine.originate(originate))
      this.#speakers.set(name, speaker)
    }
  }

  kill(name: string): void {
    this.#speakers.get(name)?.kill()
    this.#speakers.delete(name)
  }

  /** A second at a time, since what the speakers report is kept by nobody. */
  run(seconds: number): void {
    for (let second = 0; second < seconds; second++) {
      this.#net.run(1)
      for (const { reports } of this.#speakers.values()) reports.length = 0
    }
  }

  /** UPDATEs that those still there have sent. */
  get updates(): number {
    let sum = 0
    for (const { engine } of this.#speakers.values()) for (const { out } of engine.counters()) sum += out.update
    return sum
  }

  get octets(): number {
    return inUse() - this.#before
  }

  /** Throws unless every node has a route to every block. */
  check(blocks: number): void {
    for (const [name, speaker] of this.#speakers) {
      const found = speaker.table('ipv4-unicast').length
      if (found !== blocks) throw new Error(`${name} has ${found} of ${blocks} routes`)
    }
  }
}

function inUse(): number {
  globalThis.gc?.()
  // Node does not count buffers that grow in place among its own.
  return process.memoryUsage().rss
}

/** What has to be sent by a cluster that is to be of so many nodes: each session's End-of-RIB both ways, and every route on it. */
function least(topology: Topology, nodes: number): number {
  if (topology === 'mesh') return 2 * nodes * (nodes - 1)
  const clients = nodes - REFLECTORS
  const sessions = clients * REFLECTORS + (REFLECTORS * (REFLECTORS - 1)) / 2
  const toReflectors = clients * REFLECTORS
  const toClients = clients * REFLECTORS * (nodes - 1)
  const between = REFLECTORS * (REFLECTORS - 1) * (1 + clients)
  return 2 * sessions + toReflectors + toClients + between
}

function measure(cluster: Cluster, what: Step['what'], nodes: number, theory: number, act: () => void): Step {
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  act()
  const updates = what === 'start' ? 0 : cluster.updates
  cluster.run(SETTLE)
  const { user, system } = process.cpuUsage(cpu)
  const wall = (performance.now() - start) / 1000
  return {
    what,
    wall,
    cpu: (user + system) / 1e6,
    memory: cluster.octets / nodes,
    updates: (cluster.updates - updates) / nodes,
    theory: theory / nodes,
  }
}

const [topology, count] = [process.argv[2] as Topology, Number(process.argv[3])]
const cluster = new Cluster(topology)
const [before, after] = [least(topology, count), least(topology, count + 1)]
const steps = [measure(cluster, 'start', count, before, () => cluster.grow(count))]
cluster.check(count)
steps.push(measure(cluster, 'join', count + 1, after - before, () => cluster.grow(count + 1)))
cluster.check(count + 1)
if (topology === 'reflectors') {
  // Nobody tells anything: the routes by it are stale, and all are there by the other.
  steps.push(measure(cluster, 'reflector dies', count, 0, () => cluster.kill(nodeName(0))))
  cluster.check(count + 1)
}
console.log(JSON.stringify(steps))

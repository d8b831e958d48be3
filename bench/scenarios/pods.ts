// ADD and DEL of many pods, sixteen at a time, and the start of the executable that runtimes call.
//
// A plugin has a node's namespace of its own, and every ADD a pod's namespace that nobody used before: settings stay in one. Both attach
// with one IPv4 address and no masquerading. Margay's rows are on the disk (fsync) before an answer leaves; host-local's files are not
// synced. Processor time is that of plugins and daemon; the kernel's own threads, which end what was deleted, are not in it.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { tearDown } from '../../src/lab/down.ts'
import { makePodNamespace, removeNamespaces } from '../../src/lab/network.ts'
import { ask, nodeFiles } from '../../src/lab/nodes.ts'
import { inNamespace, netnsPath } from '../../src/lab/processes.ts'
import { findPrograms } from '../../src/lab/programs.ts'
import { LabDir } from '../../src/lab/state.ts'
import { buildStub } from '../../cni-plugin/stub/build.ts'
import { usageOf, usageOfChildren } from '../network.ts'
import { median, percentile } from '../results.ts'
import { type Measured, type OwnScenario, type Size, thousands } from './scenario.ts'

const counts = [100, 300, 1_000]
/** And as many once more, three times, when the daemon has seen all those: its code is compiled by then, plugins begin anew each time. */
const LATER = 100
const PARALLEL = 16
/** Pods that come and go before: they warm caches and compilers. */
const WARMING = 32
const STARTS = 300

const lab = `
name: cni
subnets: [{ name: lan, ipv4: 10.8.0.0/24 }]
nodes: [{ name: n1, interfaces: [{ subnet: lan, ipv4: 10.8.0.11 }], pods: 0 }]
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: pods }, spec: { cidr: 10.48.0.0/16 } }
`

/** What is called. */
interface Side {
  readonly plugin: string
  readonly configuration: string
  /** The namespace it runs in. */
  readonly node: string
}

/** What a run works with: files, a lab, namespaces. */
class Stage {
  readonly name = `bench-cni-${process.pid}`
  readonly folder = mkdtempSync(join(tmpdir(), 'margay-bench-cni-'))
  readonly namespaces: string[] = []
  readonly #output = join(this.folder, 'output')
  readonly #calls = this.compile(fileURLToPath(new URL('../cni/calls.c', import.meta.url)), 'calls')

  compile(source: string, program: string): string {
    const path = join(this.folder, program)
    execFileSync('musl-gcc', ['-Os', '-static', '-s', '-o', path, source])
    return path
  }

  file(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text)
    return path
  }

  async namespace(name: string): Promise<string> {
    this.namespaces.push(name)
    await makePodNamespace(name)
    return name
  }

  /**
   * Makes the calls of `list`; gives the milliseconds of all, and of each, and the seconds of processor time of plugins and daemon. Throws
   * what a plugin said if one fails.
   */
  call({ plugin, configuration, node }: Side, at: number, list: readonly string[]) {
    writeFileSync(this.#output, '')
    const [command, ...args] = inNamespace(node, [this.#calls, String(at), plugin, configuration, this.#output])
    const daemon = usageOf({ netns: node })
    const plugins = usageOfChildren()
    const text = execFileSync(command, args, {
      input: list.join('\n'),
      env: { ...process.env, CNI_PATH: '/usr/lib/cni' },
      encoding: 'utf8',
    })
    const ofPlugins = usageOfChildren() - plugins
    const { cpu, memory } = usageOf({ netns: node })
    const rows = text.trim().split('\n')
    const ended = rows.map(row => row.split(' ').map(Number) as [number, number])
    const failed = ended.filter(([, code]) => code !== 0).length
    if (failed > 0) throw new Error(`${failed} of ${list.length} calls of ${plugin} failed: ${this.#refusals()}`)
    const times = ended.map(([microseconds]) => microseconds / 1_000)
    return { all: times.at(-1) ?? 0, each: times.slice(0, -1), cpu: ofPlugins + cpu - daemon.cpu, memory }
  }

  /** The process ends amid it. */
  readonly clear = (): void => {
    const { node, margayctl } = findPrograms()
    spawnSync(node, [margayctl, 'lab', 'down', this.name], { stdio: 'ignore' })
    for (const name of this.namespaces) spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
    rmSync(this.folder, { recursive: true, force: true })
  }

  async remove(): Promise<void> {
    process.off('exit', this.clear)
    await tearDown(this.name)
    await removeNamespaces(this.namespaces)
    rmSync(this.folder, { recursive: true, force: true })
  }

  #refusals(): string {
    const lines = readFileSync(this.#output, 'utf8').split('\n')
    return lines.filter(line => /"(code|msg)"/.test(line)).join(' ')
  }
}

async function ours(stage: Stage): Promise<Side> {
  const { node, margayctl, cni } = findPrograms()
  const file = stage.file('lab.yaml', lab)
  execFileSync(node, [margayctl, 'lab', 'up', '--name', stage.name, file], { stdio: 'ignore' })
  const dir = new LabDir(stage.name)
  while (!(await ask(dir, 'n1', '/v1/status', {}).catch(() => undefined))?.inSync) await sleep(50)
  const { cni: socket, spool: spoolDir } = nodeFiles(dir, 'n1')
  const config = { cniVersion: '1.0.0', name: 'ours', type: 'margay-cni', socket, spoolDir }
  return { plugin: cni, configuration: stage.file('ours', JSON.stringify(config)), node: `${stage.name}-n1` }
}

async function theirs(stage: Stage): Promise<Side> {
  const dataDir = join(stage.folder, 'host-local')
  const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.49.0.0/16' }]] }
  const config = { cniVersion: '1.0.0', name: 'theirs', type: 'ptp', ipam }
  return {
    plugin: '/usr/lib/cni/ptp',
    configuration: stage.file('theirs', JSON.stringify(config)),
    node: await stage.namespace(`${stage.name}-ptp`),
  }
}

/** All pods come, then all go. */
async function comeAndGo(stage: Stage, side: Side, pods: number, label: string, words = ''): Promise<Measured[]> {
  const containers = Array.from({ length: pods }, (_, i) => `${stage.name}-${label}-${i}`)
  for (const each of containers) await stage.namespace(each)
  return ['ADD', 'DEL'].map(command => {
    const { all, each, cpu, memory } = stage.call(
      side,
      PARALLEL,
      containers.map(container => `${command} ${container} ${netnsPath(container)}`),
    )
    return { row: `pods, ${words}${command}`, wall: all / 1_000, cpu, memory, count: percentile(each, 99) }
  })
}

/** From start to end of a program that is asked for nothing, the median of many. */
function startOf(stage: Stage, plugin: string, node: string): Measured {
  const side = { plugin, configuration: '/dev/null', node }
  const list = Array.from({ length: STARTS }, () => '- - -')
  return { row: 'pods, start', wall: median(stage.call(side, 1, list).each) / 1_000, cpu: 0, memory: 0 }
}

async function run(size: number, contender: string): Promise<readonly Measured[]> {
  buildStub()
  const stage = new Stage()
  process.once('exit', stage.clear)
  try {
    if (contender === 'empty') {
      const program = stage.compile(stage.file('empty.c', 'int main(void) { return 0; }\n'), 'empty')
      return [startOf(stage, program, await stage.namespace(`${stage.name}-empty`))]
    }
    const side = await (contender === 'ptp' ? theirs : ours)(stage)
    await comeAndGo(stage, side, WARMING, 'warm')
    const rows = await comeAndGo(stage, side, counts[size], 'pod')
    for (const label of ['a', 'b', 'c'])
      rows.push(...(await comeAndGo(stage, side, LATER, label, `${thousands(LATER)} later, `)))
    return contender === 'ptp' ? rows : [...rows, startOf(stage, side.plugin, side.node)]
  } finally {
    await stage.remove()
  }
}

const third = { wall: 0.33, counts: 'ms' }

export const pods: OwnScenario = {
  name: 'pods',
  words: `ADD, and then DEL, of so many pods on one node, ${PARALLEL} at a time, beside Debian's \`ptp\` with \`host-local\`, and of ${LATER} when those have come and gone; counted is the 99th percentile of a call in milliseconds. And the start of the executable beside that of an empty static program.`,
  targets: {
    'pods, ADD': third,
    'pods, DEL': third,
    'pods, 100 later, ADD': third,
    'pods, 100 later, DEL': third,
    'pods, start': { wall: 2 },
  },
  targetsAt: { 0: { 'pods, ADD': third, 'pods, DEL': third } },
  sizes: counts.map((units): Size => ({ label: thousands(units), units })) as [Size, Size, Size],
  standard: 2,
  rows: ['pods, ADD', 'pods, DEL', 'pods, 100 later, ADD', 'pods, 100 later, DEL', 'pods, start'],
  contenders: ['margay', 'ptp', 'empty'],
  run,
}

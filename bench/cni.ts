// ADD and DEL of many pods, sixteen at a time, beside the plugins `ptp` and `host-local` of containernetworking in the same run; and
// the start of our executable beside an empty program.
//
//     node bench/cni.ts [PODS] [ROUNDS]
//
// Each plugin has a node's namespace of its own, and every ADD a pod's namespace that nobody used before: settings stay in one. Both
// attach with one IPv4 address and no masquerading. Rounds alternate, and what is printed are medians of them. Margay's rows are on
// the disk (fsync) before an answer leaves; host-local's files are not synced.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { tearDown } from '../src/lab/down.ts'
import { makePodNamespace, removeNamespaces } from '../src/lab/network.ts'
import { ask, nodeFiles } from '../src/lab/nodes.ts'
import { inNamespace, netnsPath } from '../src/lab/processes.ts'
import { findPrograms } from '../src/lab/programs.ts'
import { LabDir } from '../src/lab/state.ts'
import { buildStub } from '../cni-plugin/stub/build.ts'

const [pods, rounds] = [Number(process.argv[2] ?? 100), Number(process.argv[3] ?? 7)]
const parallel = 16
const starts = 300
const name = `bench-cni-${process.pid}`
const folder = mkdtempSync(join(tmpdir(), 'margay-bench-cni-'))
const output = join(folder, 'output')
const programs = findPrograms()

const lab = `
name: cni
subnets: [{ name: lan, ipv4: 10.8.0.0/24 }]
nodes: [{ name: n1, interfaces: [{ subnet: lan, ipv4: 10.8.0.11 }], pods: 0 }]
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: pods }, spec: { cidr: 10.48.0.0/16 } }
`

interface Side {
  readonly name: string
  readonly plugin: string
  readonly configuration: string
  /** The namespace it runs in. */
  readonly node: string
}

interface Measured {
  /** Milliseconds. */
  readonly total: number
  readonly p99: number
  readonly median: number
}

const median = (values: readonly number[]): number => quantile(values, 0.5)

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

function compile(source: string, program: string): string {
  const path = join(folder, program)
  execFileSync('musl-gcc', ['-Os', '-static', '-s', '-o', path, source])
  return path
}

function configuration(file: string, config: object): string {
  const path = join(folder, file)
  writeFileSync(path, JSON.stringify(config))
  return path
}

/** What plugins said that refused. */
const refusals = (): string =>
  readFileSync(output, 'utf8')
    .split('\n')
    .filter(line => /"(code|msg)"/.test(line))
    .join('\n')

/** Makes the calls of `list` and gives the microseconds of each, and of all. Throws what a plugin said if one fails. */
function call(calls: string, { plugin, configuration, node }: Side, at: number, list: readonly string[]) {
  writeFileSync(output, '')
  const [command, ...args] = inNamespace(node, [calls, String(at), plugin, configuration, output])
  const text = execFileSync(command, args, {
    input: list.join('\n'),
    env: { ...process.env, CNI_PATH: '/usr/lib/cni' },
    encoding: 'utf8',
  })
  const rows = text.trim().split('\n')
  const ended = rows.map(row => row.split(' ').map(Number) as [number, number])
  const failed = ended.filter(([, code]) => code !== 0).length
  if (failed > 0) throw new Error(`${failed} of ${list.length} calls of ${plugin} failed:\n${refusals()}`)
  const times = ended.map(([microseconds]) => microseconds / 1_000)
  return { all: times.at(-1) ?? 0, each: times.slice(0, -1) }
}

function measured(calls: string, side: Side, command: string, containers: readonly string[]): Measured {
  const list = containers.map(each => `${command} ${each} ${netnsPath(each)}`)
  const { all, each } = call(calls, side, parallel, list)
  return { total: all, p99: quantile(each, 0.99), median: median(each) }
}

function table(results: ReadonlyMap<string, readonly Measured[]>, [ours, theirs]: readonly [Side, Side]): void {
  console.log(`${pods} pods, ${parallel} at a time, ${rounds} rounds; medians of the rounds, in milliseconds\n`)
  console.log('| | total | a call, median | a call, p99 |')
  console.log('|---|---|---|---|')
  for (const command of ['ADD', 'DEL']) {
    const of = (side: Side, what: keyof Measured): number =>
      median((results.get(`${side.name} ${command}`) ?? []).map(each => each[what]))
    const row = (what: string, show: (key: keyof Measured) => string): void =>
      console.log(`| ${command}, ${what} | ${show('total')} | ${show('median')} | ${show('p99')} |`)
    for (const side of [theirs, ours]) row(side.name, key => of(side, key).toFixed(key === 'total' ? 0 : 1))
    row('ratio', key => `${(of(theirs, key) / of(ours, key)).toFixed(1)}×`)
  }
}

/** Start and end of the executable that says what it is, beside a program that does nothing, in turn. */
function startRow(calls: string, node: string): void {
  writeFileSync(join(folder, 'empty.c'), 'int main(void) { return 0; }\n')
  const empty = compile(join(folder, 'empty.c'), 'empty')
  const times = new Map<string, number[]>([empty, programs.cni].map(plugin => [plugin, []]))
  for (let round = 0; round < rounds; round++)
    for (const [plugin, found] of times) {
      const side = { name: plugin, plugin, configuration: '/dev/null', node }
      found.push(
        median(
          call(
            calls,
            side,
            1,
            Array.from({ length: starts }, () => '- - -'),
          ).each,
        ),
      )
    }
  const [least, stub] = [empty, programs.cni].map(plugin => median(times.get(plugin) ?? []))
  console.log(
    `\nstart and end: an empty static program ${least.toFixed(2)} ms, margay-cni ${stub.toFixed(2)} ms: ${(stub / least).toFixed(2)}×`,
  )
}

async function main(): Promise<void> {
  buildStub()
  const file = join(folder, 'lab.yaml')
  writeFileSync(file, lab)
  execFileSync(programs.node, [programs.margayctl, 'lab', 'up', '--name', name, file], { stdio: 'ignore' })
  const calls = compile(join(import.meta.dirname, 'cni/calls.c'), 'calls')
  const dir = new LabDir(name)
  while (!(await ask(dir, 'n1', '/v1/status', {}).catch(() => undefined))?.inSync) await sleep(50)
  await makePodNamespace(ptpNode)
  const { cni: socket, spool: spoolDir } = nodeFiles(dir, 'n1')
  const ours: Side = {
    name: 'margay-cni',
    plugin: programs.cni,
    configuration: configuration('ours', { cniVersion: '1.0.0', name: 'ours', type: 'margay-cni', socket, spoolDir }),
    node: `${name}-n1`,
  }
  const ipam = { type: 'host-local', dataDir: join(folder, 'host-local'), ranges: [[{ subnet: '10.49.0.0/16' }]] }
  const theirs: Side = {
    name: 'ptp + host-local',
    plugin: '/usr/lib/cni/ptp',
    configuration: configuration('theirs', { cniVersion: '1.0.0', name: 'theirs', type: 'ptp', ipam }),
    node: ptpNode,
  }

  const results = new Map<string, Measured[]>()
  const sides = [ours, theirs] as const
  for (let round = -1; round < rounds; round++)
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const containers = Array.from({ length: pods }, (_, i) => `${name}-${side === ours ? 'o' : 't'}${round}-${i}`)
      namespaces.push(...containers)
      for (const each of containers) await makePodNamespace(each)
      for (const command of ['ADD', 'DEL']) {
        const found = measured(calls, side, command, containers)
        const key = `${side.name} ${command}`
        // The first round warms caches and compilers.
        if (round >= 0) results.set(key, [...(results.get(key) ?? []), found])
      }
    }
  table(results, sides)
  startRow(calls, ptpNode)
}

const ptpNode = `${name}-ptp`
const namespaces = [ptpNode]

async function cleanUp(): Promise<void> {
  await tearDown(name)
  await removeNamespaces(namespaces)
  rmSync(folder, { recursive: true, force: true })
}

process.once('SIGINT', () => void cleanUp().then(() => process.exit(1)))
try {
  await main()
} finally {
  await cleanUp()
}

// Routes straight into the kernel, without BGP: netlink-ts beside iproute2's batch mode, and beside what the kernel itself needs for the
// messages of netlink-ts in their order (bench/netlink/floor.c), each in a namespace of its own.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { open } from '../../netlink/index.ts'
import type { Operation } from '../../netlink/types.ts'
import { usageOfChildren } from '../network.ts'
import { type Measured, type OwnScenario, type Size, thousands } from './scenario.ts'

const GATEWAY = '10.210.0.1'
const rows = ['netlink, add', 'netlink, delete'] as const
const counts = [10_000, 100_000, 500_000]

const prefix = (i: number): string => `${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`

/** Adds so many routes, then deletes them; what it takes, in seconds. */
type Party = (netns: string, count: number) => Promise<readonly { readonly wall: number; readonly cpu: number }[]>

const parties: Readonly<Record<string, Party>> = {
  margay: async (netns, count) => {
    const netlink = await open({ netns: `/run/netns/${netns}` })
    const operations = (verb: 'route.add' | 'route.delete'): Operation[] =>
      Array.from({ length: count }, (_, i) => ({
        do: verb,
        route: { dst: prefix(i), protocol: 81, metric: 1024, nextHops: [{ gateway: GATEWAY }] },
      }))
    const both = []
    for (const list of [operations('route.add'), operations('route.delete')]) {
      const [start, cpu] = [performance.now(), process.cpuUsage()]
      const results = await netlink.apply(list)
      const wall = (performance.now() - start) / 1000
      const { user, system } = process.cpuUsage(cpu)
      const refused = results.find(result => !result.ok)
      if (refused) throw new Error(`the kernel refused a route: ${JSON.stringify(refused)}`)
      both.push({ wall, cpu: (user + system) / 1e6 })
    }
    await netlink.close()
    return both
  },
  'ip-batch': async (netns, count) =>
    (['add', 'del'] as const).map(verb => {
      const lines = Array.from(
        { length: count },
        (_, i) => `route ${verb} ${prefix(i)} via ${GATEWAY} metric 1024 proto 81`,
      )
      const input = lines.join('\n')
      const [start, cpu] = [performance.now(), usageOfChildren()]
      execFileSync('ip', ['-n', netns, '-batch', '-'], { input })
      return { wall: (performance.now() - start) / 1000, cpu: usageOfChildren() - cpu }
    }),
  'netlink-floor': async (netns, count) => {
    const folder = mkdtempSync(join(tmpdir(), 'margay-bench-netlink-'))
    try {
      const program = join(folder, 'floor')
      const source = fileURLToPath(new URL('../netlink/floor.c', import.meta.url))
      execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', program, source]) // musl comes without the kernel's headers
      const call = ['netns', 'exec', netns, program, String(count), 'ascending', 'scattered']
      const lines = execFileSync('ip', call, { encoding: 'utf8' }).trim().split('\n')
      return lines.map(line => {
        const [wall, cpu] = line.split(' ').map(Number)
        return { wall: wall / 1e6, cpu: cpu / 1e6 }
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function run(size: number, contender: string): Promise<readonly Measured[]> {
  const netns = `mgb-${process.pid}-netlink`
  execFileSync('ip', ['netns', 'add', netns])
  try {
    const lines = [
      'link add eth0 type veth peer name eth1',
      'link set eth1 up',
      'link set eth0 up',
      'addr add 10.210.0.2/16 dev eth0',
    ]
    execFileSync('ip', ['-n', netns, '-batch', '-'], { input: lines.join('\n') })
    const both = (await parties[contender]?.(netns, counts[size])) ?? []
    return both.map(({ wall, cpu }, i) => ({ row: rows[i], wall, cpu, memory: 0 }))
  } finally {
    execFileSync('ip', ['netns', 'del', netns])
    await sleep(500) // the kernel clears the namespace away meanwhile
  }
}

const targets = { 'netlink, add': { wall: 0.25 }, 'netlink, delete': { wall: 0.25 } }

export const netlink: OwnScenario = {
  name: 'netlink',
  words:
    "Routes into the kernel without BGP, by netlink-ts and by `ip -batch`: added, and deleted again. The kernel's floor is a program in C that sends what netlink-ts sends, in its order, prepared before the clock starts.",
  targets,
  targetsAt: { 2: targets },
  sizes: counts.map((units): Size => ({ label: thousands(units), units })) as [Size, Size, Size],
  standard: 1,
  rows,
  contenders: ['margay', 'ip-batch', 'netlink-floor'],
  run,
}

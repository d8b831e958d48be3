// IPAM of a large cluster: 1,000 nodes with 110 pods each in a /14, on the embedded store.
//
//     node --expose-gc bench/ipam.ts [NODES] [PODS]
//
// Every node is an Ipam of its own on one file, as in a lab; all but one keep their addresses in memory, so that the disk of this
// machine is not what is measured. The last node has its store on the disk, as a real one: each of its commits is synced.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedDatastore, openNodeStore } from '../src/datastore/index.ts'
import { MemoryNodeStore } from '../src/datastore/memory.ts'
import type { NodeStore } from '../src/datastore/node-store.ts'
import { Ipam } from '../src/ipam/index.ts'
import { owner, pool } from '../src/ipam/testing.ts'
import { percentile } from './results.ts'

const [nodes, pods] = [Number(process.argv[2] ?? 1_000), Number(process.argv[3] ?? 110)]
const folder = mkdtempSync(join(tmpdir(), 'margay-bench-ipam-'))
const datastore = openEmbeddedDatastore(join(folder, 'cluster.db'), { create: true })
const pools = [pool('v4', '10.40.0.0/14')]

const nodeOf = (node: string, nodeStore: NodeStore): Ipam =>
  new Ipam({ node, datastore, nodeStore, pools: () => pools, labels: () => ({}), timer: () => () => undefined })

/** Milliseconds of each call. */
async function timed<T>(times: number[], work: () => Promise<T>): Promise<T> {
  const from = performance.now()
  const done = await work()
  times.push(performance.now() - from)
  return done
}

function row(what: string, times: readonly number[]): void {
  const at = (percent: number): string => (times.length > 0 ? percentile(times, percent) : 0).toFixed(3)
  console.log(`${what.padEnd(52)} ${String(times.length).padStart(7)}  ${at(50).padStart(9)}  ${at(99).padStart(9)}`)
}

const heap = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

try {
  const before = heap()
  const cluster: Ipam[] = []
  const [claims, assigns, releases]: number[][] = [[], [], []]
  const start = performance.now()
  for (let n = 0; n < nodes; n++) {
    const ipam = nodeOf(`node-${n}`, new MemoryNodeStore())
    await ipam.load()
    for (let id = 0; id < pods; id++) {
      const had = ipam.owned().length
      const times: number[] = []
      await timed(times, () => ipam.assign({ ...owner(id), families: [4] }))
      ;(ipam.owned().length > had ? claims : assigns).push(...times)
    }
    cluster.push(ipam)
  }
  const all = (performance.now() - start) / 1_000
  const memory = (heap() - before) / nodes / 1024
  for (const ipam of cluster.slice(0, 100))
    for (let id = 0; id < pods; id++) await timed(releases, () => ipam.release(owner(id)))

  const disk = await openNodeStore(join(folder, 'node.db'))
  const real = nodeOf('real', disk)
  await real.load()
  const [realAssigns, realReleases]: number[][] = [[], []]
  await real.assign({ ...owner('first'), families: [4] })
  for (let round = 0; round < 10; round++) {
    for (let id = 0; id < 60; id++) await timed(realAssigns, () => real.assign({ ...owner(id), families: [4] }))
    for (let id = 0; id < 60; id++) await timed(realReleases, () => real.release(owner(id)))
  }
  const at16: number[] = []
  for (let round = 0; round < 40; round += 10)
    await Promise.all(
      Array.from({ length: 16 }, (_, i) =>
        timed(at16, () => real.assign({ ...owner(`p${round}-${i}`), families: [4] })),
      ),
    )

  console.log(`${nodes} nodes x ${pods} pods in ${pools[0].spec.cidr}: all given in ${all.toFixed(1)} s`)
  console.log(`${'milliseconds'.padEnd(52)} ${'calls'.padStart(7)}  ${'median'.padStart(9)}  ${'p99'.padStart(9)}`)
  row('assign with a claim, embedded store', claims)
  row('assign, rows in memory', assigns)
  row('release, rows in memory', releases)
  row('assign, row on the disk', realAssigns)
  row('assign, row on the disk, 16 at a time', at16)
  row('release, row on the disk', realReleases)
  console.log(
    `memory of a node's IPAM with ${pods} addresses: ${memory.toFixed(0)} KiB (its rows twice: here and in the store's stand-in)`,
  )
  await disk.close()
} finally {
  await datastore.close()
  rmSync(folder, { recursive: true, force: true })
}

// A node as a process, for hammer.test.ts: gives and takes addresses at random until it is killed.
//
//     node testing-process.ts NODE CLUSTER_FILE NODE_FILE
//
// Says `add ID ADDRESSES` when the addresses are given, and `del ID` before it takes them back: what was said has to be true also
// when the process is killed the moment after.

import { writeSync } from 'node:fs'
import { openEmbeddedDatastore, openNodeStore } from '../datastore/index.ts'
import { Ipam } from './ipam.ts'
import { hammerPools, owner } from './testing.ts'

const [node, cluster, own] = process.argv.slice(2)
const ipam = new Ipam({
  node,
  datastore: openEmbeddedDatastore(cluster, { create: true }),
  nodeStore: await openNodeStore(own),
  pools: () => hammerPools,
  labels: () => ({}),
})
await ipam.load()
writeSync(1, 'ready\n')

async function hammer(worker: number): Promise<never> {
  for (;;) {
    const id = worker * 10 + Math.floor(Math.random() * 10)
    const dice = Math.random()
    if (dice < 0.6) {
      const { addresses } = await ipam.assign({ ...owner(id), families: [4, 6] })
      writeSync(1, `add ${id} ${addresses.map(({ address }) => address).join(',')}\n`)
    } else if (dice < 0.95) {
      writeSync(1, `del ${id}\n`)
      await ipam.release(owner(id))
    } else await ipam.releaseEmptyBlocks(0)
  }
}
await Promise.all([0, 1, 2].map(hammer))

// A node as a process, for hammer.test.ts: gives and takes addresses at random until it is killed.
//
//     node testing-process.ts NODE CLUSTER NODE_FILE
//
// CLUSTER: the settings of the datastore as JSON. While that is away, the process goes on with what it holds.
//
// Says `add ID ADDRESSES` when the addresses are given, and `del ID` before it takes them back: what was said has to be true also
// when the process is killed the moment after.

import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DatastoreSettings, openDatastore, openNodeStore } from '../datastore/index.ts'
import { IpamError } from './errors.ts'
import { Ipam } from './ipam.ts'
import { hammerPools, owner } from './testing.ts'

const [node, cluster, own] = process.argv.slice(2)
const ipam = new Ipam({
  node,
  datastore: await openDatastore(JSON.parse(cluster) as DatastoreSettings, { create: true }),
  nodeStore: await openNodeStore(own),
  pools: () => hammerPools,
  labels: () => ({}),
  patience: 0,
})
await ipam.load()
writeSync(1, 'ready\n')

async function hammer(worker: number): Promise<never> {
  for (;;) {
    const id = worker * 10 + Math.floor(Math.random() * 10)
    const dice = Math.random()
    try {
      if (dice < 0.6) {
        const { addresses } = await ipam.assign({ ...owner(id), families: [4, 6] })
        writeSync(1, `add ${id} ${addresses.map(({ address }) => address).join(',')}\n`)
      } else if (dice < 0.9) {
        writeSync(1, `del ${id}\n`)
        await ipam.release(owner(id))
      } else if (dice < 0.95) await ipam.releaseEmptyBlocks(0)
      else await ipam.serveRequests()
    } catch (error) {
      if (!(error instanceof IpamError) || !['unreachable', 'exhausted', 'asked'].includes(error.code)) throw error
      await sleep(10)
    }
  }
}
await Promise.all([0, 1, 2].map(hammer))

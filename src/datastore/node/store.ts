// The node's own store: the main side.

import type { NodeStore, NodeStoreChange } from '../node-store.ts'
import { WorkerClient } from '../worker/client.ts'
import type { NodeCalls } from './calls.ts'
import { GroupCommit } from './group-commit.ts'

/** Opens the node's store, making the file if it is missing. Fails with a StoreError that says what to do. */
export async function openNodeStore(path: string): Promise<NodeStore> {
  const client = new WorkerClient<NodeCalls>({ store: 'node', path })
  try {
    await client.call('open')
  } catch (error) {
    await client.close()
    throw error
  }
  const group = new GroupCommit(commits => client.call('commit', commits))
  return {
    all(table: string) {
      group.flush()
      return client.call('all', table)
    },
    commit: (changes: readonly NodeStoreChange[]) => group.commit(changes),
    close() {
      group.flush()
      return client.close()
    },
  }
}

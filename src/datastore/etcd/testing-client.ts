// A program for tests: a node's client of etcd that counts up in a record of its own, watches it, and says that it lives. It prints what it
// sees, a line of JSON each. `node testing-client.ts ENDPOINT…`

import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../contract.ts'
import { openEtcdDatastore } from './datastore.ts'

/** `year` is that of this program's clock. */
export type Told =
  | { readonly told: 'written'; readonly value: number; readonly year: number }
  | { readonly told: 'failed'; readonly code: string; readonly year: number }
  | { readonly told: 'asks' }
  | { readonly told: 'heard'; readonly value: number }

const tell = (told: Told): void => console.log(JSON.stringify(told))
const year = (): number => new Date().getUTCFullYear()

async function watch(store: ReturnType<typeof openEtcdDatastore>): Promise<void> {
  for await (const event of store.watch(['Counter'], new AbortController().signal)) {
    const entries = event.type === 'snapshot' ? event.entries : event.type === 'put' ? [event.entry] : []
    for (const { value } of entries) tell({ told: 'heard', value: value as number })
  }
}

async function count(store: ReturnType<typeof openEtcdDatastore>): Promise<void> {
  for (let value = 1; ; value++) {
    tell({ told: 'asks' })
    try {
      await store.keepAlive('node', {}, 15)
      const found = await store.get('Counter', 'c')
      if (found) await store.update('Counter', 'c', value, found.version)
      else await store.create('Counter', 'c', value)
      tell({ told: 'written', value, year: year() })
    } catch (error) {
      tell({ told: 'failed', code: error instanceof StoreError ? error.code : String(error), year: year() })
    }
    await sleep(50)
  }
}

if (import.meta.main) {
  const endpoints = process.argv.slice(2)
  const store = openEtcdDatastore({ endpoints, prefix: '/margay', pageSize: 2, timeout: 3_000 })
  await Promise.all([watch(store), count(store)])
}

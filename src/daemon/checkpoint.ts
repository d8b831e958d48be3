// What a node last knew of the cluster, kept in its own store: a restart without the datastore goes on with it.

import type { Entry } from '../datastore/contract.ts'
import type { NodeStore } from '../datastore/node-store.ts'
import type { Log } from './log.ts'
import type { Records } from './resync-guard.ts'

/** Rows of the node store: one a record, key `kind/name`. */
const table = 'checkpoint'
/** Milliseconds in which changes are gathered. */
const delay = 500

/** Whether an earlier run of this node has seen a cluster. */
export async function hasCheckpoint(nodeStore: NodeStore): Promise<boolean> {
  return (await nodeStore.all(table)).length > 0
}

export const keyOf = (entry: { readonly kind: string; readonly name: string }): string => `${entry.kind}/${entry.name}`

export class Checkpoint {
  readonly #nodeStore: NodeStore
  readonly #log: Log
  #saved: Records = new Map()
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> = Promise.resolve()

  constructor(nodeStore: NodeStore, log: Log) {
    this.#nodeStore = nodeStore
    this.#log = log
  }

  /** What was saved last. */
  async load(): Promise<Records> {
    const rows = await this.#nodeStore.all(table)
    return (this.#saved = new Map(rows.map(row => [row.key, row.value as Entry])))
  }

  /** Saves the records as they are in a moment. */
  saveSoon(records: () => Records): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.save(records()), delay)
  }

  /** Writes what differs from what was saved last, one save after the other. Never fails. */
  save(records: Records): Promise<void> {
    clearTimeout(this.#timer)
    return (this.#saving = this.#saving.then(() => this.#write(new Map(records))))
  }

  async #write(records: Records): Promise<void> {
    const puts = [...records].filter(
      ([key, entry]) => this.#saved.get(key)?.version !== entry.version && !isNestedBeyond(deepest, entry.value),
    )
    const deletes = [...this.#saved.keys()].filter(key => !records.has(key))
    if (puts.length + deletes.length === 0) return
    try {
      await this.#nodeStore.commit([
        ...puts.map(([key, value]) => ({ do: 'put' as const, table, key, value })),
        ...deletes.map(key => ({ do: 'delete' as const, table, key })),
      ])
      this.#saved = records
    } catch (error) {
      this.#log.error('checkpoint not saved; a restart without the datastore would see an older cluster', {
        reason: String(error),
      })
    }
  }
}

/** Deeper than any record of ours, and less deep than what cannot be copied to another thread. */
const deepest = 200

function isNestedBeyond(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some(each => isNestedBeyond(levels - 1, each))
}

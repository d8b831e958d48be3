// What belongs to this node alone and must survive its daemon: addresses given, endpoints, the checkpoint, the restart mark.
//
// One SQLite file in a worker thread (design §3); a promise resolves when the change is on the disk.

export interface NodeStore {
  /** All rows of a table, key and JSON value, read once at start. */
  all(table: string): Promise<readonly { readonly key: string; readonly value: unknown }[]>
  /** Applies all of them or none; durable when it resolves. */
  commit(changes: readonly NodeStoreChange[]): Promise<void>
  close(): Promise<void>
}

export type NodeStoreChange =
  | { readonly do: 'put'; readonly table: string; readonly key: string; readonly value: unknown }
  | { readonly do: 'delete'; readonly table: string; readonly key: string }

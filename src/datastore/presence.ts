// Which nodes are alive, seen through the store. No record, route, block or session hangs on it, and ownership never ends with it: it is
// for people, and shows a machine that another one has its name.
//
// A sign says that somebody is alive for so long from now on. The store measures that time itself, so nobody's clock matters. Signs are
// no records: they are not listed, watched or exported, and the lock for maintenance does not hold them off. etcd keeps them by a lease;
// Kubernetes would by a Lease object.

export interface Sign {
  /** Of the node. */
  readonly name: string
  /** What it says of itself, JSON. */
  readonly about: unknown
  /** The time that it gave has not run out. */
  readonly isAlive: boolean
  /** No time was given with it, so it does not go by itself, and no Margay gave it: the command that removes it. */
  readonly removal?: string
  /** ISO 8601, by the clock of the node: when it was alive for certain. Up to `noteEvery` before its last sign. */
  readonly seen: string
}

export interface Presence {
  /** Says that the node is alive, for `seconds` (2 and more) from now on. Fails with a StoreError. */
  keepAlive(name: string, about: unknown, seconds: number): Promise<void>
  /** Of one node; undefined: it never gave one, or was forgotten. */
  sign(name: string): Promise<Sign | undefined>
  /** Of all nodes that ever gave one and were not forgotten, ordered by name. */
  signs(): Promise<readonly Sign[]>
  /** Nothing happens if there is none. */
  forget(name: string): Promise<void>
}

/** What is wrong with a sign that does not go by itself, and the next step. Undefined: it is none of those. */
export function endlessText({ name, removal }: Pick<Sign, 'name' | 'removal'>): string | undefined {
  if (removal === undefined) return undefined
  return `node "${name}": its sign of life in the datastore has no lease, so it stays, and the node counts as alive whether it is or not. No margayd wrote it so; one that runs writes its own anew within seconds. Delete it: ${removal}`
}

/** A store need not write down each sign: milliseconds between two notes. */
export const noteEvery = 10 * 60_000

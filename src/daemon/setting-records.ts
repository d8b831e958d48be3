// What settings of this machine were before margayd changed them, in the node's own store: `node reset` puts them back.

import type { Sysctl } from '../dataplane/index.ts'
import type { NodeStore, NodeStoreChange } from '../datastore/index.ts'
import type { LinkFact } from '../model/facts.ts'

/** Table of the node's store. */
export const sysctlTable = 'sysctls'

export class SettingRecords {
  readonly #store: NodeStore
  /** By index, as last seen. */
  #names: ReadonlyMap<number, string> = new Map()

  constructor(store: NodeStore) {
    this.#store = store
  }

  /**
   * Notes what has been changed, with the values before; a value that is known stays, since it is older. A link that was renamed while
   * margayd runs took its settings along, and takes their records.
   */
  async note(previous: readonly Sysctl[], links: readonly LinkFact[]): Promise<void> {
    const now = new Map(links.map(({ index, name }) => [index, name]))
    const renamed = new Map(
      [...this.#names].flatMap(([index, old]) => {
        const name = now.get(index)
        return name === undefined || name === old ? [] : [[old, name] as const]
      }),
    )
    this.#names = now
    if (previous.length === 0 && renamed.size === 0) return
    const rows = await this.#store.all(sysctlTable)
    const moved = rows.flatMap(row => {
      const key = underNewName(row.key, renamed)
      return key === row.key ? [] : [{ ...row, key, old: row.key }]
    })
    const left = new Set(moved.map(({ old }) => old))
    const known = new Set([...rows.map(({ key }) => key).filter(key => !left.has(key)), ...moved.map(({ key }) => key)])
    const put = (key: string, value: unknown): NodeStoreChange => ({ do: 'put', table: sysctlTable, key, value })
    await this.#store.commit([
      ...[...left].map((key): NodeStoreChange => ({ do: 'delete', table: sysctlTable, key })),
      ...moved.map(({ key, value }) => put(key, value)),
      ...previous.filter(({ name }) => !known.has(name)).map(({ name, value }) => put(name, value)),
    ])
  }
}

/** `net/ipv4/conf/LINK/…` of a link that was renamed. */
function underNewName(key: string, renamed: ReadonlyMap<string, string>): string {
  return key.replace(/^(net\/ipv[46]\/conf\/)([^/]+)(?=\/)/, (all, head: string, link: string) =>
    renamed.has(link) ? `${head}${renamed.get(link)}` : all,
  )
}

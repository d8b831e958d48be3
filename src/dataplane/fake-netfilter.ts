// nftables in memory, for tests: tables put in place as a whole, with the refusals that the dataplane leans on. Events arrive a turn
// later than the answers. `netfilter.contract.test.ts` runs the same cases on this and on Linux.

import { isDeepStrictEqual } from 'node:util'
import type { Netfilter, NetfilterTable, TableId } from '../../netlink/netfilter/types.ts'
import { NetlinkError } from '../../netlink/index.ts'
import type { Result } from '../../netlink/types.ts'

export class FakeNetfilter {
  /** Every transaction, in order. */
  readonly log: (`replace ${string}` | `remove ${string}`)[] = []
  /** Makes the kernel refuse a transaction. */
  refuse: ((id: TableId) => Extract<Result, { ok: false }> | undefined) | undefined
  /** A kernel without nf_tables: the code with which it answers. */
  missing: string | undefined
  #tables: readonly NetfilterTable[] = []
  readonly #handlers = new Set<() => void>()

  get tables(): readonly NetfilterTable[] {
    return this.#tables
  }

  /** `nft flush ruleset`, or anything else that another program does. */
  change(tables: readonly NetfilterTable[]): void {
    this.#tables = tables
    setImmediate(() => this.#handlers.forEach(handler => handler()))
  }

  async handle(): Promise<Netfilter> {
    const mine = new Set<() => void>()
    const close = async (): Promise<void> => mine.forEach(handler => this.#handlers.delete(handler))
    return {
      tables: async () =>
        this.#read().map(({ family, name, comment, dormant }) => ({
          family,
          name,
          ...(comment !== undefined && { comment }),
          ...(dormant && { dormant }),
        })),
      table: async id => this.#read().find(table => isSame(table, id)),
      chains: async () =>
        this.#read().flatMap(({ family, name, chains }) =>
          chains.map(chain => ({ family, name, chain: { name: chain.name, ...(chain.hook && { hook: chain.hook }) } })),
        ),
      replace: async table => this.#commit('replace', table, table),
      remove: async id => this.#commit('remove', id, undefined),
      watch: async handler => {
        this.#read()
        const own = (): void => handler()
        mine.add(own)
        this.#handlers.add(own)
        return async () => void this.#handlers.delete(own)
      },
      close,
      [Symbol.asyncDispose]: close,
    }
  }

  #read(): readonly NetfilterTable[] {
    if (this.missing !== undefined) throw new NetlinkError(this.missing, `netlink: ${this.missing}`)
    return this.#tables
  }

  #commit(verb: 'replace' | 'remove', id: TableId, table: NetfilterTable | undefined): Result {
    this.log.push(`${verb} ${id.family} ${id.name}`)
    const refused = this.refuse?.(id)
    if (refused) return refused
    if (this.missing !== undefined) return { ok: false, errno: this.missing, text: 'this kernel does not support it' }
    const others = this.#tables.filter(each => !isSame(each, id))
    if (!table && others.length === this.#tables.length)
      return { ok: false, errno: 'ENOENT', text: 'there is no such thing' }
    const unknown = unknownSet(table)
    if (unknown !== undefined) return { ok: false, errno: 'ENOENT', text: `no set ${unknown}` }
    const next = table ? [...others, structuredClone(table)] : others
    if (!isDeepStrictEqual(next, this.#tables)) this.change(next)
    return { ok: true }
  }
}

function isSame(a: TableId, b: TableId): boolean {
  return a.family === b.family && a.name === b.name
}

/** A set that a rule looks into and that is not there. */
function unknownSet(table: NetfilterTable | undefined): string | undefined {
  const names = new Set(table?.sets.map(set => set.name))
  return table?.chains
    .flatMap(chain => chain.rules.flatMap(rule => rule.expressions))
    .flatMap(expression => (expression.do === 'lookup' ? [expression.set] : []))
    .find(set => !names.has(set))
}

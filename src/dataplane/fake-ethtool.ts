// Features of links in memory, for tests: all that is known of a link is what it was told to turn off.

import type { Ethtool } from '../../netlink/generic/ethtool-types.ts'
import { NoGenericFamily } from '../../netlink/index.ts'
import { checksumFeature } from './encapsulation/checksum-offload.ts'

export class FakeEthtool {
  /** A kernel without the family. */
  missing = false
  /** Every change, in order. */
  readonly log: string[] = []
  readonly #off = new Set<number>()

  async handle(): Promise<Ethtool> {
    if (this.missing) throw new NoGenericFamily('ethtool')
    return {
      features: async link => new Set(this.#off.has(link) ? [] : [checksumFeature]),
      setFeature: async (link, name, on) => {
        if (name !== checksumFeature) return { ok: false, errno: 'EOPNOTSUPP', text: 'bit name not found' }
        this.log.push(`${name} ${on ? 'on' : 'off'}`)
        if (on) this.#off.delete(link)
        else this.#off.add(link)
        return { ok: true }
      },
      close: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }
  }
}

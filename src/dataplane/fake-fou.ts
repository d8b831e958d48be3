// Foo-over-UDP in memory, for tests: a list of ports, one program a port.

import type { Fou, FouPort } from '../../netlink/generic/fou-types.ts'
import { NoGenericFamily } from '../../netlink/index.ts'
import type { Result } from '../../netlink/types.ts'

export class FakeFou {
  /** A kernel without the family. */
  missing = false
  ports: readonly FouPort[] = []

  async handle(): Promise<Fou> {
    if (this.missing) throw new NoGenericFamily('fou')
    return {
      ports: async () => this.ports,
      add: async port => this.#add(port),
      delete: async port => this.#delete(port),
      close: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }
  }

  #add(port: FouPort): Result {
    const taken = this.ports.some(
      other =>
        other.port === port.port &&
        (other.local === port.local || other.local === undefined || port.local === undefined),
    )
    if (taken) return { ok: false, errno: 'EADDRINUSE', text: 'the address is in use' }
    this.ports = [...this.ports, port]
    return { ok: true }
  }

  #delete(port: FouPort): Result {
    const kept = this.ports.filter(other => other.port !== port.port || other.local !== port.local)
    if (kept.length === this.ports.length) return { ok: false, errno: 'EINVAL', text: 'there is no such port' }
    this.ports = kept
    return { ok: true }
  }
}

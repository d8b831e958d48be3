// What becomes of own blocks: empty ones go back to their pool, one more is claimed where few addresses are left, and others that find none
// are left parts of those with room. Looked at now and then, and requests of others at once; copies more rarely: those that somebody else
// changed or deleted, which are written anew, and those that are left over, for which all of the cluster's have to be read.
// Done only while the datastore is in sync.

import type { Ipam } from '../ipam/index.ts'
import { requestKind, requestsIn } from '../ipam/requests.ts'
import type { IpamSettings } from '../ipam/settings.ts'
import type { Entry } from '../datastore/contract.ts'
import type { Log } from './log.ts'

/** Milliseconds between looks. */
const every = 15_000
/** Milliseconds between comparisons of the own copies with the own store. */
const mendEvery = 300_000
/** Milliseconds between sweeps of copies. */
const sweepEvery = 3_600_000

export interface BlockKeeperPorts {
  readonly node: string
  readonly ipam: Pick<Ipam, 'releaseEmptyBlocks' | 'lookAhead' | 'serveRequests' | 'sweepCopies' | 'mendCopies'>
  /** What a store that is not whole lacks is read, and pods are named by it. Rejects if the datastore cannot be read. */
  readonly learn: () => Promise<void>
  /** The datastore's records of a kind, as watched. */
  readonly list: (kind: string) => readonly Entry[]
  readonly settings: () => IpamSettings
  readonly isInSync: () => boolean
  readonly log: Log
}

export class BlockKeeper {
  readonly #ports: BlockKeeperPorts
  #timer: NodeJS.Timeout | undefined
  /** When copies were compared, and when they were swept, milliseconds of this process. */
  #mendedAt = -Infinity
  #sweptAt = -Infinity

  constructor(ports: BlockKeeperPorts) {
    this.#ports = ports
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), every).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Never fails: what could not be given back is tried again. */
  async look(): Promise<void> {
    const { ipam, settings, isInSync, log } = this.#ports
    if (!isInSync()) return
    await this.learn()
    await this.serve()
    const { keepBlocks, freeEmptyAfter } = settings()
    try {
      for (const block of await ipam.releaseEmptyBlocks(keepBlocks, freeEmptyAfter))
        log.info('empty block given back', { block })
    } catch (error) {
      log.warn('empty blocks not given back', { reason: String(error) })
    }
    try {
      await ipam.lookAhead()
    } catch (error) {
      log.warn('not looked whether a block is wanted soon', { reason: String(error) })
    }
    if (performance.now() - this.#mendedAt >= mendEvery) await this.#mend()
    if (performance.now() - this.#sweptAt >= sweepEvery) await this.#sweep()
  }

  async #mend(): Promise<void> {
    const { ipam, log } = this.#ports
    try {
      for (const name of await ipam.mendCopies())
        log.warn('copy of addresses that did not say what this node has given written anew', { name })
      this.#mendedAt = performance.now()
    } catch (error) {
      log.warn('copies of addresses not compared', { reason: String(error) })
    }
  }

  async #sweep(): Promise<void> {
    const { ipam, log } = this.#ports
    try {
      for (const name of await ipam.sweepCopies()) log.info('copy of addresses that was left over deleted', { name })
      this.#sweptAt = performance.now()
    } catch (error) {
      log.warn('copies of addresses not swept', { reason: String(error) })
    }
  }

  /** To be called when the datastore is in sync. Never fails: what could not be read is at the next look. */
  async learn(): Promise<void> {
    const { learn, log } = this.#ports
    try {
      await learn()
    } catch (error) {
      log.warn('what the own store lacks is not read yet', { reason: String(error) })
    }
  }

  /** Answers the requests to this node, if there are any. Never fails: what could not be answered is tried at the next look. */
  async serve(): Promise<void> {
    const { node, ipam, list, isInSync, log } = this.#ports
    if (!isInSync() || requestsIn(list(requestKind), node).length === 0) return
    try {
      for (const { block, part } of await ipam.serveRequests())
        log.info('part of a block left to others', { block, part })
    } catch (error) {
      log.warn('no part of a block left to others', { reason: String(error) })
    }
  }
}

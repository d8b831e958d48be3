// Empty blocks go back to their pool: looked at now and then, done only while the datastore is in sync.

import type { Ipam } from '../ipam/index.ts'
import type { IpamSettings } from '../ipam/settings.ts'
import type { Log } from './log.ts'

/** Milliseconds between looks. */
const every = 15_000

export interface BlockKeeperPorts {
  readonly ipam: Pick<Ipam, 'releaseEmptyBlocks'>
  readonly settings: () => IpamSettings
  readonly isInSync: () => boolean
  readonly log: Log
}

export class BlockKeeper {
  readonly #ports: BlockKeeperPorts
  #timer: NodeJS.Timeout | undefined

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
    const { keepBlocks, freeEmptyAfter } = settings()
    try {
      for (const block of await ipam.releaseEmptyBlocks(keepBlocks, freeEmptyAfter))
        log.info('empty block given back', { block })
    } catch (error) {
      log.warn('empty blocks not given back', { reason: String(error) })
    }
  }
}

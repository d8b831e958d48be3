// A block more before the last address is given: a claim is a row of calls to the datastore, for which all pods of that moment would have
// to wait.
//
// It is claimed when few addresses are left where pods have just got theirs from, and that waits for a moment without new pods while it can:
// what follows a claim, a plan and an announcement, takes as long as a pod or more. Only the datastore's part of it is done beside what the
// node gives meanwhile (OwnBlocks.claimAhead): nothing else that looks at records of blocks begins before it has ended, and the block
// becomes the node's own by a change like any other. None is claimed where blocks are scarce: beyond half of a pool they are for those who
// need them now.

import { bitsOf, type IpFamily, parsePrefix } from '../../inet/index.ts'
import type { IPPoolResource } from '../resources/index.ts'
import type { Chooser } from './choose.ts'
import type { LocalRecords } from './local.ts'
import type { OwnBlocks } from './own-blocks.ts'
import { rangeOf, shareTaken } from './pools.ts'
import type { AssignRequest, IpamOptions, Timer } from './types.ts'

/** Milliseconds without a new pod that a claim waits for, and how long at most. */
const quiet = 200
const patience = 2_000
/** Milliseconds after a claim that came to nothing. */
const again = 60_000
/** Of a block: what is left when one more is wanted, and when that does not wait. */
const low = 1 / 2
const urgent = 1 / 4
/** Of a block: what has to be left for an empty one to go back. More than `low`, so that none comes and goes. */
const enough = 3 / 4

/** Who gets addresses: whoever comes next wants them from the same pools. */
type Want = Pick<AssignRequest, 'namespace' | 'pools'> & { readonly family: IpFamily }

export interface AheadPorts {
  readonly options: IpamOptions
  readonly timer: Timer
  readonly local: LocalRecords
  readonly blocks: OwnBlocks
  readonly chooser: Chooser
  /** Does work while no other change is under way. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export class Ahead {
  readonly #ports: AheadPorts
  /** Who saw that few are left: a block is claimed soon, also if pods end meanwhile, for as many may come again. */
  #due: Want | undefined
  #cancel: (() => void) | undefined
  #waitsSince = 0
  #failedAt = -Infinity
  #isClaiming = false
  #isClosed = false
  #settling: Promise<unknown> = Promise.resolve()

  constructor(ports: AheadPorts) {
    this.#ports = ports
  }

  /** These got addresses, in the change that is under way. */
  given(requests: readonly AssignRequest[]): void {
    if (!this.#mayTry()) return
    const wants = requests.flatMap(({ families, use, namespace, pools }) =>
      use === 'Tunnel' ? [] : families.map((family): Want => ({ family, namespace, pools })),
    )
    // Many pods of one moment want the same.
    const distinct = [...new Map(wants.map(want => [JSON.stringify(want), want])).values()]
    this.#due ??= distinct.find(want => this.#poolOf(want, low))
    if (!this.#due) return
    if (distinct.some(want => this.#poolOf(want, urgent))) this.#claim()
    else this.#claimSoon()
  }

  /** Claims a block if few addresses are left for pods that ask for nothing in particular; answers when that has begun. */
  look(): Promise<void> {
    return this.#ports.alone(async () => {
      if (!this.#mayTry()) return
      this.#due ??= ([4, 6] as const).map((family): Want => ({ family })).find(want => this.#poolOf(want, low))
      this.#claim()
    })
  }

  /** Until what is under way has ended. */
  settled(): Promise<unknown> {
    return this.#settling
  }

  close(): void {
    this.#isClosed = true
    this.#cancel?.()
  }

  #mayTry(): boolean {
    const { options, local, now } = this.#ports
    const isTired = Math.abs(now() - this.#failedAt) < again
    return options.ahead !== undefined && local.complete && !this.#isClosed && !this.#isClaiming && !isTired
  }

  #claimSoon(): void {
    const { alone, now, timer } = this.#ports
    const at = now()
    if (this.#cancel && Math.abs(at - this.#waitsSince) >= patience) return
    if (!this.#cancel) this.#waitsSince = at
    this.#cancel?.()
    this.#cancel = timer(quiet, () => {
      this.#cancel = undefined
      // Where that fails, as when the node's store cannot be read, whoever wants an address is told.
      alone(async () => this.#claim()).catch(() => undefined)
    })
  }

  /** Begins what is due, in a change or at the end of one. */
  #claim(): void {
    const { alone, blocks, now, options } = this.#ports
    this.#cancel?.()
    this.#cancel = undefined
    const due = this.#due
    this.#due = undefined
    // It may be that a block has come meanwhile.
    const pool = due && this.#mayTry() ? this.#poolOf(due, 1) : undefined
    if (!pool) return
    const taken = options.ahead?.()
    if (!taken || !mayClaimAhead(pool, taken)) return void (this.#failedAt = now())
    this.#isClaiming = true
    this.#settling = blocks
      .claimAhead(pool)
      .then(isClaimed => {
        if (!isClaimed) this.#failedAt = now()
        return alone(() => blocks.settleAhead())
      })
      .catch(() => undefined) // the record is there, and the next look at the records takes it over
      .finally(() => (this.#isClaiming = false))
  }

  /** The pool to claim from, if the node can give such pods no more than this share of a block. */
  #poolOf(want: Want, share: number): IPPoolResource | undefined {
    const { options, blocks, chooser } = this.#ports
    const pools = chooser.poolsOf(want.family, want)
    const [pool] = pools
    // Where the node has none yet, it may never need one.
    if (!pool || !blocks.list().some(block => pools.some(({ metadata }) => metadata.name === block.pool)))
      return undefined
    if (options.settings?.().keepBlocks === 0 || blocks.isAtLimit(want.family)) return undefined
    const most = share * blockSizeOf(pool)
    return blocks.room(pools, most) > most ? undefined : pool
  }
}

/** Whether so many blocks more leave half of the pool to those who need one now. `taken`: the blocks of the cluster. */
export function mayClaimAhead(pool: IPPoolResource, taken: readonly { readonly cidr: string }[], more = 1): boolean {
  const range = rangeOf(pool)
  const prefixes = taken.flatMap(({ cidr }) => parsePrefix(cidr) ?? [])
  return shareTaken(range, prefixes) + more * 2 ** (range.length - pool.spec.blockSize) <= 1 / 2
}

/** No block goes back that leaves this many addresses of the pool or fewer. */
export function roomToKeep(pool: IPPoolResource): number {
  return enough * blockSizeOf(pool)
}

function blockSizeOf(pool: IPPoolResource): number {
  return 2 ** (bitsOf(rangeOf(pool).family) - pool.spec.blockSize)
}

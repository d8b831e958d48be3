// Which address a pod gets: one of the node's own blocks, else one of a block that is claimed for it.

import { contains, type IpFamily, parseAddress } from '../../inet/index.ts'
import type { IPPoolResource } from '../resources/index.ts'
import type { Block } from './block.ts'
import { IpamError } from './errors.ts'
import type { OwnBlocks } from './own-blocks.ts'
import { disabledFor, holds, isCalled, poolsFor, rangeOf } from './pools.ts'
import { reach } from './reach.ts'
import type { AssignedAddress, AssignRequest, IpamOptions } from './types.ts'

export class Chooser {
  readonly #options: IpamOptions
  readonly #blocks: OwnBlocks

  constructor(options: IpamOptions, blocks: OwnBlocks) {
    this.#options = options
    this.#blocks = blocks
  }

  /** A free address of the family; it stays free until it is taken. Fails with an IpamError. */
  choose(family: IpFamily, request: AssignRequest): Promise<AssignedAddress> {
    const wanted = requestedOf(family, request)
    return wanted === undefined ? this.#any(family, request) : this.#named(family, wanted, request)
  }

  /** Whether an address of the family can be had, or is refused, without asking the datastore. */
  isAtHand(family: IpFamily, request: AssignRequest): boolean {
    const wanted = requestedOf(family, request)
    if (wanted !== undefined) return this.#blocks.of(wanted) !== undefined
    try {
      return this.#blocks.withRoom(this.#pools(family, request), request.pools !== undefined) !== undefined
    } catch (error) {
      if (error instanceof IpamError) return true
      throw error
    }
  }

  /** Why whoever asks for nothing in particular gets no address of the families, however many are free; undefined: nothing. */
  obstacle(families: readonly IpFamily[]): string | undefined {
    try {
      for (const family of families) this.#pools(family, {})
    } catch (error) {
      if (error instanceof IpamError) return error.message
      throw error
    }
    return undefined
  }

  /** Where such pods get addresses of the family from; none: there is an obstacle. */
  poolsOf(family: IpFamily, want: Pick<AssignRequest, 'namespace' | 'pools'>): readonly IPPoolResource[] {
    try {
      return this.#pools(family, want)
    } catch (error) {
      if (error instanceof IpamError) return []
      throw error
    }
  }

  async #any(family: IpFamily, request: AssignRequest): Promise<AssignedAddress> {
    const pools = this.#pools(family, request)
    const inOrder = request.pools !== undefined
    const own = this.#blocks.withRoom(pools, inOrder)
    const { block, asked, spoiled } = own
      ? { block: own }
      : await reach(this.#options.node, `claim a block for an IPv${family} address`, () =>
          this.#blocks.grow(pools, inOrder),
        )
    const address = block && this.#blocks.nextOf(block)
    if (block && address !== undefined) return { family, address, block: block.cidr, pool: block.pool }
    if (asked !== undefined) throw new IpamError('asked', this.#asked(pools, asked))
    throw new IpamError('exhausted', [this.#exhausted(pools), ...(spoiled === undefined ? [] : [spoiled])].join('; '))
  }

  async #named(family: IpFamily, wanted: string, request: AssignRequest): Promise<AssignedAddress> {
    const refuse = (reason: string): IpamError => new IpamError('not-available', `address ${wanted}: ${reason}`)
    const all = this.#options.pools().map(({ metadata }) => metadata.name)
    const pool = this.#pools(family, { ...request, pools: request.pools ?? all }).find(candidate =>
      holds(rangeOf(candidate), wanted),
    )
    if (!pool) throw refuse('no enabled pool for this pod and node holds it. Choose one of a pool, or ask for none.')
    let block: Block | undefined = this.#blocks.of(wanted)
    if (!block) {
      const grown = await reach(this.#options.node, `claim the block of ${wanted}`, () =>
        this.#blocks.growAround(wanted, pool),
      )
      if (grown.spoiled !== undefined) throw refuse(grown.spoiled)
      if (!grown.block && grown.owner === '')
        throw new IpamError(
          'exhausted',
          `address ${wanted}: ${this.#limit()}, and it lies in none of them. Raise the limit, or choose an address of one of them: margayctl ipam show`,
        )
      if (!grown.block)
        throw refuse(`its block belongs to node "${grown.owner}". Run the pod there, or choose another address.`)
      block = grown.block
    }
    const other = this.#blocks.held.get(wanted)
    if (other)
      throw refuse(
        `pod ${other.pod} of node "${other.node}" has it, which noted that in the datastore. Choose another address, or delete that pod.`,
      )
    if (!block.isFree(wanted)) throw refuse('another pod has it. Delete that pod first, or choose another address.')
    return { family, address: wanted, block: block.cidr, pool: block.pool }
  }

  #pools(
    family: IpFamily,
    { use = 'Workload', namespace, pools: among }: Pick<AssignRequest, 'use' | 'namespace' | 'pools'>,
  ): readonly IPPoolResource[] {
    const all = this.#options.pools()
    const missing = among?.find(wanted => !all.some(pool => isCalled(pool, wanted)))
    if (missing !== undefined)
      throw new IpamError(
        'no-pool',
        `pool ${missing}: there is none of that name or range. List them: margayctl get ippools`,
      )
    const wanting = { labels: this.#options.labels(), use, namespace, among }
    const pools = poolsFor(family, all, wanting)
    if (pools.length > 0) return pools
    const disabled = disabledFor(family, all, wanting)
    if (disabled.length > 0)
      throw new IpamError(
        'no-pool',
        `pool ${namesOf(disabled)}: disabled, and node "${this.#options.node}" has no other for IPv${family}; a pod gets one of each family or none. Enable it, apply another pool, or give it assignmentMode: Manual, so that only those who name it get IPv${family}`,
      )
    const what = among ? `none of the pools ${among.join(', ')}` : `no enabled IPv${family} pool`
    const whom = use === 'Tunnel' ? 'its tunnels' : namespace === undefined ? 'it' : `it and namespace "${namespace}"`
    throw new IpamError(
      'no-pool',
      `node "${this.#options.node}": ${what} ${among ? `serves IPv${family} to` : 'selects'} ${whom}. Apply an IPPool, or see nodeSelector, namespaceSelector, allowedUses and disabled: margayctl get ippools -o yaml`,
    )
  }

  #asked(pools: readonly IPPoolResource[], asked: string): string {
    return `${this.#allTaken(pools)} Node "${asked}" is asked to leave a part of a block: try again.`
  }

  #allTaken(pools: readonly IPPoolResource[]): string {
    const { node } = this.#options
    const hasOwn = this.#ownOf(pools).length > 0
    return `pool ${namesOf(pools)}: every block is taken, and ${hasOwn ? `those of node "${node}" are full` : `none of them by node "${node}"`}.`
  }

  /** Own blocks that lie in these pools. */
  #ownOf(pools: readonly IPPoolResource[]) {
    return this.#blocks.list().filter(({ prefix }) => pools.some(pool => contains(rangeOf(pool), prefix)))
  }

  #limit(): string {
    const { node, settings } = this.#options
    const most = settings?.().maxBlocks
    return `node "${node}" owns ${most} ${most === 1 ? 'block' : 'blocks'}, as many as it may (maxBlocksPerHost of the IPAMConfiguration)`
  }

  #exhausted(pools: readonly IPPoolResource[]): string {
    const [{ family }] = pools.map(rangeOf)
    const isLimited = this.#blocks.isAtLimit(family)
    const own = this.#blocks.list().filter(({ prefix }) => prefix.family === family)
    const usable = this.#ownOf(pools)
    const which =
      usable.length === own.length
        ? 'they are full'
        : usable.length > 0
          ? 'those of it are full'
          : 'none of them is of it'
    return [
      isLimited ? `pool ${namesOf(pools)}: ${this.#limit()}, and ${which}.` : this.#allTaken(pools),
      ...(usable.some(block => block.hasFree)
        ? ['What is free in them rests (ipCooldownSeconds) or is reserved (IPReservation).']
        : []),
      isLimited
        ? 'Raise the limit, or free addresses: margayctl ipam show'
        : 'Add a pool, or free addresses: margayctl ipam show',
    ].join(' ')
  }
}

function requestedOf(family: IpFamily, { requested }: AssignRequest): string | undefined {
  return requested?.find(text => parseAddress(text)?.family === family)
}

function namesOf(pools: readonly IPPoolResource[]): string {
  return pools.map(({ metadata, spec }) => `"${metadata.name}" (${spec.cidr})`).join(', ')
}

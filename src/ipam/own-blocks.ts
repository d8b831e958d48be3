// The blocks of this node: in the datastore one record each, in the node's store a copy of it, in memory who is free.
//
// The datastore's record decides. The copy lets a node go on whose datastore is down.

import { isDeepStrictEqual } from 'node:util'
import {
  type Address,
  contains,
  formatPrefix,
  type IpFamily,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
  sizeOf,
} from '../../inet/index.ts'
import type { Entry } from '../datastore/contract.ts'
import { type IPPoolResource, selects } from '../resources/index.ts'
import { mayClaimAhead, roomToKeep } from './ahead.ts'
import { Block, type GivingRules } from './block.ts'
import { allBlocks, claim, type ClaimedBlock, claimNext, unclaim } from './claims.ts'
import { IpamError } from './errors.ts'
import { strangeRecord } from './known-kinds.ts'
import { decommissioned } from './decommission.ts'
import type { LocalRecords } from './local.ts'
import { type Held, heldIn, heldInClaimed, heldStill, heldText } from './others.ts'
import { pieceAround } from './parts.ts'
import { idleBlocks, isAtLimit } from './holdings.ts'
import { blockAround, holds, rangeOf } from './pools.ts'
import { reconcileBlocks, type Stranded, strandedText } from './reconcile.ts'
import { blockKind, blockName, isBlock, prefixOfCopy, readCopy } from './records.ts'
import { answered, Requests, requestsTo } from './requests.ts'
import { splitBlock } from './split.ts'
import type { IpamOptions, OwnBlock } from './types.ts'

export class OwnBlocks {
  readonly #options: IpamOptions
  readonly #local: LocalRecords
  readonly #requests: Requests
  readonly #listeners = new Set<(blocks: readonly OwnBlock[]) => void>()
  #blocks = new Map<string, Block>()
  /** Blocks of the node's store that another node's record names, or that were freed: never given from. */
  #stranded: ReadonlyMap<string, Stranded> = new Map()
  #decommissionedAt: string | undefined
  /** What is being claimed ahead. It never rejects. */
  #ahead: Promise<ClaimedBlock | undefined> | undefined
  #told = ''

  constructor(options: IpamOptions, local: LocalRecords) {
    this.#options = options
    this.#local = local
    this.#requests = new Requests(options)
  }

  list(): Block[] {
    return [...this.#blocks.values()]
  }

  get(cidr: string): Block | undefined {
    return this.#blocks.get(cidr)
  }

  /** The block that holds an address. */
  of(text: string): Block | undefined {
    const address = parseAddress(text)
    return address && blockOf(this.#blocks.values(), address)
  }

  views(): readonly OwnBlock[] {
    return this.list().map(({ cidr, pool, size, used }) => ({ cidr, pool, size, used }))
  }

  problems(): readonly string[] {
    return [...this.#stranded].map(([cidr, stranded]) => strandedText(cidr, stranded, this.#options.node))
  }

  /**
   * After the loss of the own store: blocks that this node's copies are of, that its pods have addresses in (`inUse`), and of which no record
   * tells, or one that cannot be read: the next `reconcile` treats them as it does those of a store that was not lost. Answers the records for
   * it, if they had to be read.
   */
  async recall(
    copies: readonly Entry[],
    inUse: ReadonlyMap<string, unknown>,
  ): Promise<readonly ClaimedBlock[] | undefined> {
    const { datastore, node } = this.#options
    const recalled = copies.flatMap(({ name, value }): ClaimedBlock[] => {
      const prefix = prefixOfCopy(value)
      if (!prefix || !isBlock(prefix) || blockName(prefix) !== name) return []
      const [row] = readCopy(value, node).flatMap(([address, each]) => (inUse.has(address) ? each : []))
      return row ? [{ cidr: formatPrefix(prefix), node, pool: row.pool, claimedAt: row.since, prefix }] : []
    })
    if (recalled.length === 0) return undefined
    await this.settleAhead()
    const all = await allBlocks(datastore)
    const taken = [...all, ...this.#local.blocks]
    for (const block of recalled)
      if (!taken.some(({ prefix }) => overlaps(prefix, block.prefix)))
        await this.#local.putBlock(block, await heldIn(datastore, copies, { block: block.prefix, node }))
    return all
  }

  /** Since when this node is no member of the cluster any more, ISO 8601; undefined: it is one. */
  get decommissionedAt(): string | undefined {
    return this.#decommissionedAt
  }

  onChange(listener: (blocks: readonly OwnBlock[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The address of a block to give next; undefined: none. */
  nextOf(block: Block): string | undefined {
    return block.next(this.#rules())?.address
  }

  /**
   * The block of the pools whose next address was never used, else has been free for longest of all; without asking the datastore.
   * `inOrder`: of the first pool that has one.
   */
  withRoom(pools: readonly IPPoolResource[], inOrder = false): Block | undefined {
    const rules = this.#rules()
    const blocks = this.list()
    let best: { readonly block: Block; readonly freeSince: number } | undefined
    for (const pool of pools) {
      if (best && inOrder) break
      const range = rangeOf(pool)
      for (const block of blocks) {
        const freeSince = contains(range, block.prefix) ? block.next(rules)?.freeSince : undefined
        if (freeSince !== undefined && (!best || freeSince < best.freeSince)) best = { block, freeSince }
        if (best?.freeSince === -Infinity) return best.block
      }
    }
    return best?.block
  }

  /** How many addresses of the pools can be given without asking the datastore, as far as that is no more than `most`. */
  room(pools: readonly IPPoolResource[], most: number): number {
    const ranges = pools.map(rangeOf)
    return this.#roomIn(
      this.list().filter(({ prefix }) => ranges.some(range => contains(range, prefix))),
      most,
    )
  }

  #roomIn(blocks: readonly Block[], most: number): number {
    const rules = this.#rules()
    let count = 0
    for (const block of blocks) {
      if (count > most) break
      count += block.room(rules, most - count)
    }
    return count
  }

  /** Whether the node owns as many blocks as it may. */
  isAtLimit(family: IpFamily): boolean {
    return isAtLimit(family, this.list(), this.#options.pools(), this.#options.settings?.().maxBlocks ?? 0)
  }

  /** Blocks that may go back: empty for long enough, and not needed as those of their pool that have room. Any pool: `pools` of now. */
  idle({ after, keep }: { readonly after: number; readonly keep: number }, pools: readonly IPPoolResource[]): Block[] {
    // Its next owner does not know what rests in it.
    const wait = Math.max(after, this.#options.settings?.().cooldown ?? 0)
    const isLacking = (pool: IPPoolResource, staying: readonly Block[]): boolean =>
      keep > 0 && this.#isLacking(pool, staying)
    return idleBlocks(this.list(), { now: this.#time(), wait, keep }, pools, isLacking)
  }

  /** Whether a block would be claimed ahead again soon, if only these were left of the pool. */
  #isLacking(pool: IPPoolResource, staying: readonly Block[]): boolean {
    const { ahead, labels } = this.#options
    const taken = ahead?.()
    const isOurs = selects(pool.spec.nodeSelector, labels()) && pool.spec.allowedUses.includes('Workload')
    if (!taken || !isOurs) return false
    const most = roomToKeep(pool)
    return this.#roomIn(staying, most) <= most && mayClaimAhead(pool, taken, 0)
  }

  /**
   * Asks the datastore for a block with room: one that is already ours, else a new one, else a part of one. If all are taken, asks
   * another node to leave a part of one of its own; `asked`: which. `spoiled`: a sentence about a block that nobody can have.
   */
  async grow(
    pools: readonly IPPoolResource[],
    inOrder = false,
  ): Promise<{ readonly block?: Block; readonly asked?: string; readonly spoiled?: string }> {
    const { datastore, node, settings } = this.#options
    await this.settleAhead()
    const ahead = this.withRoom(pools, inOrder)
    if (ahead) return { block: ahead }
    const all = await allBlocks(datastore)
    await this.reconcile(all)
    this.#mustBelong()
    const found = this.withRoom(pools, inOrder)
    if (found) return { block: found }
    const taken = [...all, ...this.#local.blocks]
    let spoiled: ClaimedBlock | undefined
    const onSpoiled = (block: ClaimedBlock): void => void (spoiled ??= block)
    for (const pool of pools) {
      if (this.isAtLimit(rangeOf(pool).family)) return {}
      const unusable = settings?.().reserved ?? []
      const claimed = await claimNext(datastore, { pool, taken, unusable, node, claimedAt: this.#now(), onSpoiled })
      if (!claimed) continue
      this.#requests.served()
      return { block: await this.#adopt(claimed) }
    }
    const asked =
      this.#options.patience === undefined ? undefined : await this.#requests.ask(pools.map(rangeOf), all, this.#time())
    return { ...(asked !== undefined && { asked }), ...(spoiled && { spoiled: await this.#whySpoiled(spoiled) }) }
  }

  /**
   * Begins to claim a block of the pool beside what the node does meanwhile, in a change or at the end of one; `settleAhead` makes it an own
   * one. Answers whether there is one to settle. Not to be called while another one is claimed ahead.
   */
  claimAhead(pool: IPPoolResource): Promise<boolean> {
    const claiming = this.#tryAhead(pool).catch(() => undefined) // whoever needs a block will be told why there is none
    this.#ahead = claiming
    return claiming.then(claimed => claimed !== undefined)
  }

  /** What was begun of a claim ahead comes to its end: before anything else looks at records of blocks. */
  async settleAhead(): Promise<void> {
    const claimed = await this.#ahead
    this.#ahead = undefined
    if (claimed) await this.#adopt(claimed)
  }

  /** If anything has to be brought in line first, that is for a claim that somebody waits for. */
  async #tryAhead(pool: IPPoolResource): Promise<ClaimedBlock | undefined> {
    const { datastore, node, settings } = this.#options
    const all = await allBlocks(datastore)
    if (!this.agree(all) || !mayClaimAhead(pool, all) || (await decommissioned(datastore, node))) return undefined
    const unusable = settings?.().reserved ?? []
    return claimNext(datastore, { pool, taken: all, unusable, node, claimedAt: this.#now() })
  }

  /**
   * Answers the requests of others for a part of a block: frees what they may have of an own one, the emptiest first. Answers the
   * CIDRs of what was freed, and of the blocks that were split.
   */
  async serveRequests(): Promise<readonly { readonly block: string; readonly part: string }[]> {
    const { datastore, node } = this.#options
    const served: { readonly block: string; readonly part: string }[] = []
    const requests = await requestsTo(datastore, node)
    if (requests.length === 0) return served
    await this.reconcile()
    for (const { ranges, entry } of requests) {
      const wanted = ranges.flatMap(range => parsePrefix(range) ?? [])
      const spare = this.list()
        .filter(block => wanted.some(range => contains(range, block.prefix)))
        .toSorted((a, b) => sizeOf(b.prefix) - b.used - (sizeOf(a.prefix) - a.used))
        .flatMap(block => ({ block, part: block.sparePart(this.#rules()) }))
        .find(({ part }) => part)
      if (spare?.part) {
        const { block, part } = spare
        const isFree = await splitBlock({
          datastore,
          local: this.#local,
          node,
          block,
          part,
          onKept: () => this.rebuild(),
        })
        if (isFree) served.push({ block: block.cidr, part: formatPrefix(part) })
      }
      await answered(datastore, entry)
    }
    return served
  }

  /** Claims the block of the pool around an address, and says who has it, or why nobody can (`spoiled`: a sentence). */
  async growAround(
    text: string,
    pool: IPPoolResource,
  ): Promise<{ readonly block?: Block; readonly owner: string; readonly spoiled?: string }> {
    const { datastore, node } = this.#options
    const whole = blockAround(text, pool)
    await this.settleAhead()
    const all = await allBlocks(datastore)
    const holder = all.find(other => holds(other.prefix, text))
    if (holder && holder.node !== node) return { owner: holder.node }
    await this.reconcile()
    this.#mustBelong()
    const own = this.of(text)
    if (own || holder) return { ...(own && { block: own }), owner: node }
    if (this.isAtLimit(whole.family)) return { owner: '' }
    const address = parseAddress(text)
    const taken = [...all, ...this.#local.blocks].map(({ prefix }) => prefix)
    const prefix = address && pieceAround(address, whole.length, taken)
    if (!prefix) return { owner: node }
    const claimed = await claim(datastore, prefix, pool.metadata.name, node, this.#now())
    if (claimed.node === node) return { block: await this.#adopt(claimed), owner: node }
    return { owner: claimed.node, ...(claimed.node === '' && { spoiled: await this.#whySpoiled(claimed) }) }
  }

  /** Brings the own blocks in line with the datastore's records; `all` were read while none was claimed ahead. */
  async reconcile(all?: readonly ClaimedBlock[]): Promise<void> {
    const { datastore, node } = this.#options
    if (!all) await this.settleAhead()
    const records = all ?? (await allBlocks(datastore))
    const known = this.#local.held
    const { stranded, decommissionedAt } = await reconcileBlocks({ datastore, node, local: this.#local }, records)
    // At the end, at once: an outage on the way leaves what was known in force.
    this.#decommissionedAt = decommissionedAt
    this.#stranded = stranded
    this.rebuild()
    await this.lookAtHeld()
    const isNew = [...this.#local.held.keys()].some(address => !known.has(address))
    if (isNew) for (const text of this.heldTexts()) this.#options.warn?.(text)
  }

  /** Whether the addresses of own blocks that pods of other nodes had are theirs still. Asks the datastore only where there are any. */
  async lookAtHeld(): Promise<void> {
    const { held, addresses } = this.#local
    if (held.size === 0) return
    const noted = await heldStill(this.#options.datastore, held)
    const now = new Map([...noted].filter(([address]) => this.of(address) && !addresses.has(address)))
    if (isDeepStrictEqual(now, held)) return
    await this.#local.hold(now, this.#now())
    this.rebuild()
  }

  /** Addresses of own blocks that are not given, as pods of other nodes have them. */
  get held(): Held {
    return this.#local.held
  }

  /** The same as sentences, with the next step. */
  heldTexts(): readonly string[] {
    const ofBlock = Map.groupBy(this.#local.held, ([address, { node }]) => `${this.of(address)?.cidr} ${node}`)
    return [...ofBlock.values()].flatMap(of => {
      const [[address, { node }]] = of
      const block = this.of(address)
      return block ? [heldText(block.prefix, node, of)] : []
    })
  }

  /** Whether the own blocks are those that records name as this node's, so that there is nothing to bring in line. */
  agree(records: readonly { readonly cidr: string; readonly node: string }[]): boolean {
    const own = new Set([...this.#local.blocks].map(({ cidr }) => cidr))
    const named = records.filter(({ node }) => node === this.#options.node)
    const isSound = this.#stranded.size === 0 && this.#decommissionedAt === undefined
    return isSound && own.size > 0 && named.length === own.size && named.every(({ cidr }) => own.has(cidr))
  }

  /** Stops using an empty block, then gives it back. */
  async giveBack(block: Block): Promise<void> {
    await this.settleAhead()
    await this.#local.removeBlock(block.cidr, address => holds(block.prefix, address))
    this.#blocks.delete(block.cidr)
    this.#tell()
    await unclaim(this.#options.datastore, block.prefix, this.#options.node)
  }

  /** Memory as the node's store has it. */
  rebuild(): void {
    const blocks = [...this.#local.blocks].filter(block => !this.#stranded.has(block.cidr))
    // Each address is read once, however many blocks there are.
    const cidrOf = (text: string): string | undefined => {
      const address = parseAddress(text)
      return address && blockOf(blocks, address)?.cidr
    }
    const used = Map.groupBy([...this.#local.addresses.keys(), ...this.#local.held.keys()], cidrOf)
    const freed = Map.groupBy(this.#local.freed, ([address]) => cidrOf(address))
    this.#blocks = new Map(
      blocks.map(block => [block.cidr, new Block(block, used.get(block.cidr) ?? [], freed.get(block.cidr) ?? [])]),
    )
    this.#tell()
  }

  async #adopt(claimed: ClaimedBlock): Promise<Block> {
    const { datastore, node } = this.#options
    const held = await heldInClaimed(datastore, { block: claimed.prefix, node })
    await this.#local.putBlock(claimed, held)
    this.rebuild()
    if (held.size > 0) for (const text of this.heldTexts()) this.#options.warn?.(text)
    const block = this.#blocks.get(claimed.cidr)
    if (!block) throw new Error(`block ${claimed.cidr} was claimed and is not there`)
    return block
  }

  /** Why nobody can have a block, and the next step. */
  async #whySpoiled({ cidr, prefix }: ClaimedBlock): Promise<string> {
    const found = await this.#options.datastore.get(blockKind, blockName(prefix))
    const why = found ? (found.unreadable ?? strangeRecord(found)) : 'it is gone by now: try again'
    return `the record of block ${cidr} in the datastore cannot be read: ${why}`
  }

  /** Who is no member of the cluster claims nothing of it. */
  #mustBelong(): void {
    const { node } = this.#options
    if (this.#decommissionedAt !== undefined)
      throw new IpamError('not-available', decommissionedText(node, this.#decommissionedAt))
  }

  #tell(): void {
    const now = [...this.#blocks.keys()].toSorted().join(' ')
    if (now === this.#told) return
    this.#told = now
    for (const listener of this.#listeners) listener(this.views())
  }

  #rules(): GivingRules {
    const { cooldown = 0, reserved = [] } = this.#options.settings?.() ?? {}
    return { now: this.#time(), cooldown, reserved }
  }

  #now(): string {
    return new Date(this.#time()).toISOString()
  }

  #time(): number {
    return (this.#options.now?.() ?? new Date()).getTime()
  }
}

function blockOf<B extends { readonly prefix: Prefix }>(blocks: Iterable<B>, address: Address): B | undefined {
  for (const block of blocks) if (contains(block.prefix, address)) return block
  return undefined
}

/** Why a node gets no addresses. */
export function decommissionedText(node: string, at: string): string {
  return `node "${node}": it was decommissioned at ${at} and gives no addresses; to take it back, apply its Node`
}

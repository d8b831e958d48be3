// Addresses for the pods of one node (design, promise 4).
//
// A block belongs to the node by one record in the datastore; an address belongs to a pod by one row in the node's own store, on
// the disk before `assign` answers. So a pod gets its address without a trip to the datastore while the node has one free, and
// the same address is never given twice: the row is there before anyone hears of it, and goes only by `release`.
//
// All changes run one after another. If the node's store fails in the middle of one, what it holds is read anew before the next. Addresses
// that are given and taken back while the disk is busy are one change (together.ts): many pods at once wait for it once.

import type { IpFamily } from '../../inet/index.ts'
import { nobodysRow } from './address-row.ts'
import { Ahead } from './ahead.ts'
import { Chooser } from './choose.ts'
import { allBlocks, allEntries } from './claims.ts'
import { IpamError } from './errors.ts'
import { LocalRecords } from './local.ts'
import type { Held } from './others.ts'
import { type Elsewhere, elsewhere, isOutsideName } from './outside.ts'
import { decommissionedText, OwnBlocks } from './own-blocks.ts'
import { OwnCopies, type StaleCopy } from './own-copies.ts'
import { familiesFor } from './pools.ts'
import { Together } from './together.ts'
import { isAway, reach } from './reach.ts'
import { type AddressRow, copyKind, type Owner, ownerKey, readCopy } from './records.ts'
import { type StrangeCopy, strangeText } from './strange.ts'
import type { AddressInUse, Assigned, AssignRequest, IpamOptions, IpamSnapshot, OwnBlock, Timer } from './types.ts'

/** Call `load` first. Every call fails with an IpamError. */
export class Ipam {
  readonly #options: IpamOptions
  readonly #local: LocalRecords
  readonly #blocks: OwnBlocks
  readonly #chooser: Chooser
  readonly #copies: OwnCopies
  readonly #together: Together
  readonly #ahead: Ahead
  #stale = true
  /** When the last change began, ISO 8601: the clock may be set back. */
  #latest = ''
  /** What the last `load` found in use, by address. */
  #found: ReadonlyMap<string, AddressInUse> = new Map()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: IpamOptions) {
    this.#options = options
    this.#local = new LocalRecords(options.nodeStore, options.node)
    this.#blocks = new OwnBlocks(options, this.#local)
    this.#chooser = new Chooser(options, this.#blocks)
    this.#copies = new OwnCopies(options, this.#local, this.#blocks)
    this.#together = new Together({
      local: this.#local,
      blocks: this.#blocks,
      chooser: this.#chooser,
      alone: work => this.#alone(work),
      beReady: () => this.#beReady(),
      now: () => this.#now(),
      changed: cidrs => this.#changed(cidrs),
      given: requests => this.#ahead.given(requests),
    })
    this.#ahead = new Ahead({
      options,
      local: this.#local,
      blocks: this.#blocks,
      chooser: this.#chooser,
      alone: work => this.#alone(work),
      now: () => Date.parse(this.#now()),
      timer: options.timer ?? pause,
    })
  }

  // ---- start and stop --------------------------------------------------------------------------------------------------------

  /**
   * Reads the node's store, and the own blocks from the datastore (from the node's store alone if that cannot be used).
   * `inUse` are addresses that the kernel and live namespaces show: those that no row knows are kept from being given. A node
   * whose store is new or was lost also takes over the copies in the datastore before it gives any address; so does one whose store
   * `isBehind` what is in use, and it does not rely on its blocks before. `disowned`: addresses that others have than their rows say.
   */
  load({ inUse = [], disowned = [], isBehind = false }: Found = {}): Promise<void> {
    this.#stale = true
    return this.#alone(async () => {
      await this.#blocks.settleAhead()
      this.#found = new Map(inUse.map(each => [each.address, each]))
      if (isBehind) await this.#local.distrust()
      const unknown = inUse.filter(({ address }) => !this.#local.addresses.has(address) || disowned.includes(address))
      const since = this.#now()
      await this.#local.put(
        new Map(unknown.map(({ address, owner }) => [address, { ...(owner ?? nobody), pool: '', since }])),
      )
      try {
        if (this.#local.complete) await this.#reconcileSoon()
        else await this.#complete()
      } catch (error) {
        if (!isAway(error)) throw error // what the node's store knows is in force until the datastore is back
      }
      this.#blocks.rebuild()
      this.#copies.lookOutside()
    })
  }

  /**
   * Compares the own blocks with the datastore. For the daemon, when the datastore is back or an own record has changed. `records`: the
   * blocks of the cluster as they were last heard of; if those of this node are its own blocks, the datastore is not asked.
   */
  async refresh(records?: () => readonly { readonly cidr: string; readonly node: string }[]): Promise<void> {
    await this.#ahead.settled() // while others go on: the record that has changed is likely to be that one's
    return this.#alone(() =>
      this.#reach('compare its blocks', async () => {
        await this.#blocks.settleAhead()
        if (records && this.#local.complete && this.#blocks.agree(records())) return
        if (this.#local.complete) await this.#blocks.reconcile()
        else {
          await this.#complete()
          this.noteAll()
        }
        this.#copies.lookOutside()
      }),
    )
  }

  /** Ends the work under way and writes the pending copies if the datastore takes them. */
  async stop(): Promise<void> {
    this.#ahead.close()
    await this.#turn
    await this.#ahead.settled()
    await this.#copies.flush()
  }

  // ---- addresses -------------------------------------------------------------------------------------------------------------

  /**
   * Gives the owner one address of each family, or fails and gives none. An owner that asks again gets the same ones. The
   * datastore is asked only if a new block is needed. After a failure in the node's store it is not known whether the owner has
   * the addresses: ask again, or `release`.
   */
  async assign(request: AssignRequest): Promise<Assigned> {
    const { timer = pause } = this.#options
    // The plan waits for a tunnel's address, and makes another attempt anyway when a part is free.
    const patience = request.use === 'Tunnel' ? 0 : (this.#options.patience ?? 0)
    for (let waited = 0; ; waited += lookAgainAfter) {
      try {
        return await this.#together.give(request)
      } catch (error) {
        if (!(error instanceof IpamError) || error.code !== 'asked' || waited >= patience) throw error
      }
      await new Promise<void>(resolve => timer(lookAgainAfter, resolve))
    }
  }

  /**
   * Takes the owner's addresses back; that it has none is no error. Needs no datastore. Call it when the pod's interface and
   * routes are gone. Answers what was released.
   */
  release(owner: Owner): Promise<readonly string[]> {
    return this.#together.free(owner)
  }

  /** Takes back all addresses but those that `keep` holds on to: for the daemon, when it has seen which pods live. */
  releaseExcept(keep: (row: AddressRow & { readonly address: string }) => boolean): Promise<readonly string[]> {
    return this.#alone(() => {
      const rows = [...this.#local.addresses].filter(([address, row]) => !keep({ ...row, address }))
      return this.#free(rows.map(([address]) => address))
    })
  }

  /** Writes down an address of an attached pod that no row has. False: it is in no block of this node, or somebody has it. */
  record(address: string, { network, containerId, ifName }: Owner): Promise<boolean> {
    return this.#alone(async () => {
      const block = this.#blocks.of(address)
      if (!block?.isFree(address)) return false
      const row = { network, containerId, ifName, since: this.#now(), pool: block.pool }
      await this.#local.put(new Map([[address, row]]))
      block.take(address)
      this.#copies.changed([block.cidr])
      return true
    })
  }

  /** What is noted of the attachment with these addresses has changed. */
  detailsChanged(addresses: readonly string[]): void {
    this.#copies.changed(addresses.flatMap(address => this.#blocks.of(address)?.cidr ?? []))
  }

  /** Addresses in use become another owner's, as far as they are recorded: for pods whose names came to be known later. */
  rename(addresses: readonly string[], { network, containerId, ifName, label }: Owner & { readonly label?: string }) {
    return this.#alone(async () => {
      const owner = { network, containerId, ifName, ...(label !== undefined && { label }) }
      const rows = addresses.flatMap(address => {
        const { since, pool } = this.#local.addresses.get(address) ?? {}
        return since === undefined || pool === undefined ? [] : [[address, { ...owner, since, pool }] as const]
      })
      if (rows.length === 0) return
      await this.#local.put(new Map(rows))
      this.#copies.changed(rows.flatMap(([address]) => this.#blocks.of(address)?.cidr ?? []))
      this.#copies.lookOutside()
    })
  }

  /** Whose those of the addresses are, by the datastore, that lie in no block of this node. Never fails with a StoreError. */
  elsewhere(addresses: readonly string[]): Promise<ReadonlyMap<string, Elsewhere>> {
    // A new store has not learned of the node's blocks yet.
    const outside = !this.#local.complete ? [] : addresses.filter(address => !this.#blocks.of(address))
    return elsewhere(this.#options.datastore, outside)
  }

  // ---- copies ----------------------------------------------------------------------------------------------------------------

  /** Names of the copies that name this node for a block that is not its own, and that it needs no more. */
  orphanCopies(): Promise<readonly string[]> {
    return this.#alone(() =>
      this.#reach('read the copies', async () => (await this.#copies.orphans()).map(({ name }) => name)),
    )
  }

  /** Deletes them, and answers their names. */
  sweepCopies(): Promise<readonly string[]> {
    return this.#alone(() =>
      this.#reach('delete copies that it needs no more', async () =>
        (await this.#copies.sweep()).map(({ name }) => name),
      ),
    )
  }

  /** Every copy is compared, and written where it differs: for the daemon, when it has seen which pods live. */
  noteAll(): void {
    if (this.#local.complete) this.#copies.changed(this.#blocks.list().map(({ cidr }) => cidr))
  }

  /** The copies that do not say what this node's store does. */
  staleCopies(): Promise<readonly StaleCopy[]> {
    return this.#alone(() => this.#reach('read the copies', () => this.#copies.stale()))
  }

  /** Writes them anew, and answers their names. */
  mendCopies(): Promise<readonly string[]> {
    return this.#alone(() =>
      this.#reach('write its copies anew', async () => (await this.#copies.mend()).map(({ name }) => name)),
    )
  }

  /** The copies of this node that have entries which nobody can read. */
  strangeCopies(): readonly StrangeCopy[] {
    return this.#copies.strange()
  }

  /** Writes them anew without those, and answers their names. */
  discardStrange(): Promise<readonly string[]> {
    return this.#alone(() => this.#reach('write its copies anew', () => this.#copies.discardStrange()))
  }

  // ---- blocks ----------------------------------------------------------------------------------------------------------------

  /** The blocks that records name as this node's: those it may announce. */
  owned(): readonly OwnBlock[] {
    return this.#blocks.views()
  }

  /** Whether its own store knows all that is in use. Until then no address is given, and its blocks are what an older store says. */
  get isWhole(): boolean {
    return this.#local.complete
  }

  /** Addresses of own blocks that pods of other nodes have, so that they are given to nobody. */
  get held(): Held {
    return this.#blocks.held
  }

  /** Why this node may give no address at all: it is no member of the cluster any more. Undefined: it is, as far as known. */
  get expelled(): string | undefined {
    const at = this.#blocks.decommissionedAt
    return at && decommissionedText(this.#options.node, at)
  }

  /** Calls the listener when the set of own blocks has changed; before a block that goes is given back. */
  onBlocks(listener: (blocks: readonly OwnBlock[]) => void): () => void {
    return this.#blocks.onChange(listener)
  }

  /**
   * Gives blocks back that have been empty for `after` milliseconds, as long as `keep` blocks of their pool have a free address.
   * Answers their CIDRs.
   */
  releaseEmptyBlocks(keep: number, after = 0): Promise<readonly string[]> {
    return this.#alone(async () => {
      if (!this.#local.complete) return [] // a block that looks empty may not be
      await this.#reach('ask what others have of its blocks', () => this.#blocks.lookAtHeld())
      const pools = this.#options.pools().filter(({ spec }) => !spec.disabled)
      const idle = () => this.#blocks.idle({ keep, after }, pools)
      if (idle().length === 0) return []
      await this.#blocks.settleAhead()
      const going = idle()
      // Before the node's store lets go of any: a lock would leave records of blocks that nobody gives from.
      if (going.length > 0) await this.#reach('give back a block', () => this.#options.datastore.tryWrite())
      // Whoever claims one looks at its copy: what was given of it may have been released a moment ago.
      if (going.length > 0) await this.#copies.flush()
      for (const block of going) {
        await this.#reach('give back a block', () => this.#blocks.giveBack(block))
        this.#copies.gone(block.prefix)
      }
      return going.map(block => block.cidr)
    })
  }

  /** Claims a block before it is needed, if few addresses are left: for the daemon, when nothing else happens. */
  lookAhead(): Promise<void> {
    return this.#ahead.look()
  }

  /**
   * Leaves parts of own blocks to the nodes that ask for them: for the daemon, when a request names this node. Answers what was
   * split, and which part of it is free now.
   */
  serveRequests(): Promise<readonly { readonly block: string; readonly part: string }[]> {
    return this.#alone(async () => {
      await this.#beReady()
      const before = new Map(this.#blocks.list().map(block => [block.cidr, block]))
      const served = await this.#reach('leave parts of its blocks to others', () => this.#blocks.serveRequests())
      if (served.length === 0) return served
      this.#copies.changed(
        this.#blocks.list().flatMap(({ cidr, used }) => (used > 0 && !before.has(cidr) ? [cidr] : [])),
      )
      for (const block of before.values()) if (!this.#blocks.get(block.cidr)) this.#copies.gone(block.prefix)
      return served
    })
  }

  /** The families that a pod of the namespace gets an address of, or none at all. */
  families(namespace?: string): readonly IpFamily[] {
    return familiesFor(this.#options.pools(), { labels: this.#options.labels(), use: 'Workload', namespace })
  }

  /** Why a pod that asks for nothing in particular gets no address, however many are free; undefined: nothing stands in the way. */
  get obstacle(): string | undefined {
    return this.#chooser.obstacle(this.families())
  }

  show(): IpamSnapshot {
    const addresses = [...this.#local.addresses].map(([address, row]) => ({
      ...row,
      address,
      block: this.#blocks.of(address)?.cidr ?? '',
    }))
    return {
      node: this.#options.node,
      blocks: this.owned(),
      addresses,
      problems: [
        ...this.#blocks.problems(),
        ...this.#blocks.heldTexts(),
        ...(this.#local.complete || addresses.length === 0 ? [] : [unsureText(this.#options.node)]),
        ...(this.expelled ? [this.expelled] : []),
        ...this.strangeCopies().map(copy => strangeText(copy, this.#options.node)),
      ],
    }
  }

  // ---- small parts -----------------------------------------------------------------------------------------------------------

  /** As `reconcile`, if the datastore answers soon: a start does not wait for one that hangs, as it goes on with what is known then. */
  async #reconcileSoon(): Promise<void> {
    const { datastore, timer = pause } = this.#options
    const records = allBlocks(datastore)
    // A read: that nobody waits for it does no harm.
    records.catch(() => undefined)
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const cancel = timer(startPatience, () => resolve(undefined))
    try {
      const all = await Promise.race([records, promise])
      if (all) await this.#blocks.reconcile(all)
    } finally {
      cancel()
    }
  }

  /** Takes over the copies of a store that was lost, or is older than they are; a new node has none. */
  async #complete(): Promise<void> {
    if (this.#local.complete) return
    const entries = await allEntries(this.#options.datastore, copyKind)
    // What a block's copy says of an address is newer than what was noted of it outside the blocks.
    const ordered = entries.toSorted((a, b) => Number(isOutsideName(b.name)) - Number(isOutsideName(a.name)))
    const rows = new Map(ordered.flatMap(entry => readCopy(entry.value, this.#options.node)))
    for (const [address, row] of this.#local.addresses) {
      const copy = rows.get(address)
      // Named since by its runtime, which told less than the copy does.
      const known = copy && ownerKey(copy) === ownerKey(row) ? { ...copy, ...row } : row
      // A copy may be older than the pod that has the address now.
      const isOlder = copy && this.#found.get(address)?.mayBeOf?.(copy) === false
      if (row.containerId !== '' || isOlder) rows.set(address, known)
    }
    await this.#local.put(rows)
    const records = await this.#blocks.recall(entries, this.#found)
    // Of an older store's blocks some may be others' by now.
    await this.#blocks.reconcile(records)
    await this.#local.put(new Map(), true)
  }

  /** Fails with a StoreError while it is not known which addresses are in use. */
  async #beReady(): Promise<void> {
    if (!this.#local.complete)
      await this.#reach('learn which addresses are in use, as its own store is new or older than its pods', () =>
        this.#complete(),
      )
  }

  async #free(addresses: readonly string[]): Promise<readonly string[]> {
    if (addresses.length === 0) return addresses
    const at = this.#now()
    await this.#local.change(new Map(), addresses, at)
    for (const address of addresses) this.#blocks.of(address)?.free(address, at)
    this.#changed(addresses.flatMap(address => this.#blocks.of(address)?.cidr ?? []))
    return addresses
  }

  /** Addresses of these blocks have changed, or such that lie in none. */
  #changed(cidrs: readonly string[]): void {
    this.#copies.changed(cidrs)
    if (this.#copies.hasOutside) this.#copies.lookOutside()
  }

  #now(): string {
    return (this.#options.now?.() ?? new Date()).toISOString()
  }

  #reach<T>(purpose: string, work: () => Promise<T>): Promise<T> {
    return reach(this.#options.node, purpose, work)
  }

  /** One change after another. After one that failed, and when the clock was set back, what the node's store holds is read anew. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      const now = this.#now()
      if (this.#stale || now < this.#latest) {
        await this.#local.read(now)
        this.#blocks.rebuild()
        this.#stale = false
      }
      this.#latest = now
      try {
        return await work()
      } catch (error) {
        this.#stale = true
        throw error
      }
    })
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}

/** The pods of a node whose store is new or older go on; what keeps it from more is with the datastore, and told there. */
function unsureText(node: string): string {
  return `node "${node}": its own store is new or older than its pods, so it gives no address and takes over no block before the datastore is there and takes writes; blocks with pods stay announced.`
}

/** What was found in use at a start. */
interface Found {
  readonly inUse?: readonly AddressInUse[]
  readonly disowned?: readonly string[]
  readonly isBehind?: boolean
}

/** Milliseconds that a start waits for the blocks of the cluster. */
const startPatience = 1_000

/** Milliseconds between looks at what others were asked for. */
const lookAgainAfter = 250

const pause: Timer = (ms, look) => {
  const timer = setTimeout(look, ms)
  return () => clearTimeout(timer)
}

const nobody: Owner = nobodysRow

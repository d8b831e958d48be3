// The node's nftables table follows the rules: it is read first and written only where it differs, in one transaction; repaired when
// somebody changes or flushes it; removed when nothing needs it. It alone: a table of our name without our mark is left and reported.
//
// What others do to it is heard (NFNLGRP_NFTABLES), and a slow timer looks too. One that keeps changing it is answered ever more slowly.

import { isDeepStrictEqual } from 'node:util'
import { NetlinkError } from '../../../netlink/index.ts'
import type { Netfilter, NetfilterTable } from '../../../netlink/netfilter/types.ts'
import type { FilterRules } from '../../model/intent.ts'
import type { Clock } from '../clock.ts'
import { fightText, foreignText, refusedText } from './sentences.ts'
import { Forwarding } from './forward.ts'
import type { Iptables } from './iptables.ts'
import { ourComment, ourTable, tableOf } from './table.ts'

export interface FiltersOptions {
  readonly open: () => Promise<Netfilter>
  readonly clock: Clock
  /** Milliseconds between looks when nothing happens. */
  readonly auditEvery: number
  readonly clampMss?: boolean
  /** Whether pods are let through where iptables would drop them. Default: that is reported only. */
  readonly forwardAccept?: boolean
  /** Absent: only nftables is looked at. */
  readonly iptables?: Iptables
}

/** Milliseconds: for the rest of a burst of events; after a failure, doubled up to the slowest. */
const settleFor = 50
const firstRetry = 1_000
const slowestRetry = 60_000
/** So many repairs, each soon after the one before, make a fight; `calmAfter` milliseconds of peace end it. */
const fightAfter = 3
const calmAfter = 10_000

export class Filters {
  readonly #options: FiltersOptions
  readonly #forwarding: Forwarding
  readonly #listeners = new Set<(problems: readonly string[]) => void>()
  #netfilter: Netfilter | undefined
  #rules: FilterRules | undefined
  #clampMss: boolean
  #unchecked: readonly string[] = []
  #desired: NetfilterTable | undefined
  /** The table that we last saw in place: what differs from it later is somebody else's doing. */
  #seen: NetfilterTable | undefined
  #repairs = { count: 0, last: -Infinity }
  #retry = 0
  #problems: readonly string[] = []
  #asked = false
  #running: Promise<void> | undefined
  #again = false
  #closed = false
  #cancel: (() => void) | undefined
  #due = Infinity

  constructor(options: FiltersOptions) {
    this.#options = options
    const { clock, iptables, forwardAccept = false } = options
    this.#forwarding = new Forwarding({ clock, iptables, accept: forwardAccept })
    this.#clampMss = options.clampMss ?? false
  }

  /** Sentences for what is not in force, with the next step. */
  get problems(): readonly string[] {
    return this.#problems
  }

  /** Calls back with the problems whenever they are others than before. */
  onProblems(listener: (problems: readonly string[]) => void): void {
    this.#listeners.add(listener)
  }

  /** What shall hold from now on; undefined: nothing. The first call is the first look at the kernel. */
  set(rules: FilterRules | undefined): void {
    if (this.#asked && isDeepStrictEqual(rules, this.#rules)) return
    this.#asked = true
    this.#rules = rules
    this.#decide()
  }

  /** Devices of pods that may send from any address, sorted. Settled when that is in force, or cannot be. */
  async setUnchecked(devices: readonly string[]): Promise<void> {
    if (isDeepStrictEqual(devices, this.#unchecked)) return
    this.#unchecked = devices
    // Before the first rules nothing is written.
    if (!this.#asked) return
    this.#decide()
    await this.settle()
  }

  /** TCP of pods shall agree on segments that fit the route out of the node, or no more. */
  setClampMss(clampMss: boolean): void {
    if (clampMss === this.#clampMss) return
    this.#clampMss = clampMss
    if (this.#asked) this.#decide()
  }

  #decide(): void {
    this.#desired = this.#rules && tableOf(this.#rules, { clampMss: this.#clampMss, unchecked: this.#unchecked })
    this.#retry = 0
    this.#look()
  }

  /** Settled when the last look is over. */
  async settle(): Promise<void> {
    while (this.#running) await this.#running
  }

  /** Stops watching. The table stays. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancel?.()
    await this.settle()
    await this.#netfilter?.close()
  }

  #lookIn(ms: number): void {
    const due = this.#options.clock.now() + ms
    if (this.#closed || (this.#cancel && due >= this.#due)) return
    this.#cancel?.()
    this.#due = due
    this.#cancel = this.#options.clock.after(ms, () => {
      this.#cancel = undefined
      this.#look()
    })
  }

  #look(): void {
    if (this.#closed) return
    this.#again = true
    this.#running ??= this.#looks().finally(() => (this.#running = undefined))
  }

  async #looks(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false
      const problems = await this.#reconcile().catch((error: unknown) => this.#lost(error))
      if (problems.length > 0) {
        this.#retry = Math.min(this.#retry === 0 ? firstRetry : 2 * this.#retry, slowestRetry)
        this.#lookIn(this.#retry)
      } else this.#retry = 0
      this.#tell([...problems, ...(this.#isFight() ? [fightText] : []), ...(await this.#forward())])
    }
    this.#lookIn(this.#options.auditEvery)
  }

  /** One look, and what follows. */
  async #reconcile(): Promise<readonly string[]> {
    const netfilter = (this.#netfilter ??= await this.#open())
    const desired = this.#desired
    const found = await netfilter.table(ourTable)
    if (found && found.comment !== ourComment) return desired ? [foreignText] : []
    if (isDeepStrictEqual(found, desired)) {
      this.#seen = desired
      return []
    }
    const isRepair = this.#seen !== undefined && this.#seen === desired
    const wait = isRepair ? this.#repairs.last + this.#pause() - this.#options.clock.now() : 0
    if (wait > 0) {
      this.#lookIn(wait)
      return []
    }
    if (isRepair)
      this.#repairs = {
        count: this.#sinceRepair() < calmAfter + this.#pause() ? this.#repairs.count + 1 : 1,
        last: this.#options.clock.now(),
      }
    const result = desired ? await netfilter.replace(desired) : await netfilter.remove(ourTable)
    if (result.ok) this.#seen = desired
    return result.ok ? [] : [refusedText(result)]
  }

  async #open(): Promise<Netfilter> {
    const netfilter = await this.#options.open()
    try {
      await netfilter.watch(() => this.#lookIn(settleFor))
      return netfilter
    } catch (error) {
      await netfilter.close()
      throw error
    }
  }

  /** Forwarding that other tables refuse to our pods. */
  async #forward(): Promise<readonly string[]> {
    if (!this.#netfilter) return []
    try {
      const { problems, again } = await this.#forwarding.look(this.#netfilter, this.#rules?.pools ?? [])
      if (again !== undefined) this.#lookIn(again)
      return problems
    } catch {
      return [] // it changed meanwhile: the event brings another look
    }
  }

  /** The kernel could not be asked at all: of no interest where nothing is wanted of it. */
  #lost(error: unknown): readonly string[] {
    if (!this.#desired) return []
    const code = error instanceof NetlinkError ? error.code : ''
    const text = error instanceof Error ? error.message : String(error)
    return [refusedText({ ok: false, errno: code, text })]
  }

  #isFight(): boolean {
    return this.#repairs.count >= fightAfter && this.#sinceRepair() < calmAfter + this.#pause()
  }

  #sinceRepair(): number {
    return this.#options.clock.now() - this.#repairs.last
  }

  /** Between two repairs; doubles with every repair of a fight. */
  #pause(): number {
    const { count } = this.#repairs
    return count < fightAfter ? 0 : Math.min(firstRetry * 2 ** (count - fightAfter), slowestRetry)
  }

  #tell(problems: readonly string[]): void {
    if (isDeepStrictEqual(problems, this.#problems)) return
    this.#problems = problems
    for (const listener of this.#listeners) listener(problems)
  }
}

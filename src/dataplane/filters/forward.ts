// Forwarding that the host's own filter refuses to pods. Docker, for one, sets the policy of FORWARD to DROP.
//
// A packet must be accepted by every base chain of a hook: no chain of ours can take back what another drops. So what stands in the way
// is reported, with the command that lets pods through. Where the node's file says `forwardAccept`, margayd does it itself, in iptables
// alone: a table that several programs write to by custom, each its own marked rules, with a chain of Docker's for the rules of others.
// Tables of nftables have one owner each, and are left to it.

import type { Netfilter, NetfilterChain, NetfilterFamily, NetfilterTable } from '../../../netlink/netfilter/types.ts'
import { parsePrefix } from '../../../inet/index.ts'
import type { Clock } from '../clock.ts'
import { Fights } from '../fights.ts'
import { type Backend, type Iptables, tableOfSave } from './iptables.ts'
import { leadsTo, type PodPacket, verdictOf } from './passage.ts'
import { type Ours, addOurs, findOurs, removeOurs, withoutOurs } from './our-rules.ts'
import { commandFor, fightingText, refusedForwardText, unreadableText } from './sentences.ts'
import { ourTable } from './table.ts'

export interface ForwardingOptions {
  /** Absent: there is nftables only. */
  readonly iptables: Iptables | undefined
  readonly clock: Clock
  /** Whether pods are let through, where iptables stands in the way; else it is reported only. */
  readonly accept: boolean
}

/** A base chain that drops what comes from pods, or what goes to them. */
export interface Obstacle {
  readonly backend: Backend
  readonly table: NetfilterTable
  readonly chain: NetfilterChain
  readonly pools: readonly string[]
}

export interface ForwardLook {
  /** Sentences for what pods are refused, with the next step. */
  readonly problems: readonly string[]
  /** Milliseconds until another look is due. */
  readonly again?: number
}

const directions = ['from', 'to'] as const

export class Forwarding {
  readonly #options: ForwardingOptions
  readonly #fights: Fights<never>
  /** Where rules of ours have been seen: if one is missing there, somebody has taken it away. Undefined: not looked yet. */
  #placed: Set<string> | undefined
  /** What an earlier run may have left in FORWARD has been looked at. */
  #isTidy = false

  constructor(options: ForwardingOptions) {
    this.#options = options
    this.#fights = new Fights(options.clock)
  }

  /** One look, and what follows. `pools`: whose pods shall be let through; empty: rules of ours go. */
  async look(netfilter: Netfilter, pools: readonly string[]): Promise<ForwardLook> {
    const { iptables, accept } = this.#options
    const isWanted = accept && pools.length > 0
    // Rules of an earlier run, or of pools that are gone.
    if (iptables && !isWanted && this.#placed?.size !== 0)
      await removeOurs(iptables, await findOurs(netfilter, iptables))
    this.#placed = isWanted ? (this.#placed ?? new Set()) : new Set()
    if (pools.length === 0) return { problems: [] }
    if (isWanted && iptables) await this.#tidy(netfilter, iptables, pools)
    const found = await this.#obstacles(netfilter, pools)
    if (!isWanted || !iptables || found.obstacles.length === 0) return { problems: found.problems }
    const waits = await Promise.all(found.obstacles.map(obstacle => this.#overcome(iptables, obstacle)))
    const wait = Math.max(0, ...waits)
    const left = await this.#obstacles(netfilter, pools)
    const fights = [...this.#fights.all()].map(([where, { count }]) => fightingText(where, count))
    return { problems: [...left.problems, ...fights], ...(wait > 0 && { again: wait }) }
  }

  /**
   * Takes rules out of FORWARD that those in a chain for the rules of others have made superfluous: while Docker starts anew its chain is
   * missing for a moment, and ours goes into FORWARD.
   */
  async #tidy(netfilter: Netfilter, iptables: Iptables, pools: readonly string[]): Promise<void> {
    if (this.#isTidy && ![...(this.#placed ?? [])].some(where => where.endsWith(' FORWARD'))) return
    const found = await findOurs(netfilter, iptables)
    const superfluous = found.filter(
      ({ backend, family, chain, table }) =>
        chain === 'FORWARD' &&
        found.some(each => each.backend === backend && each.family === family && each.chain !== chain) &&
        obstaclesOf(withoutOurs(table, chain), backend, poolsOf(table.family, pools)).length === 0,
    )
    await removeOurs(iptables, superfluous)
    for (const ours of superfluous) this.#placed?.delete(placeOf(ours))
    this.#isTidy = true
  }

  /** Returns the milliseconds to wait, where others keep removing our rules. */
  async #overcome(iptables: Iptables, obstacle: Obstacle): Promise<number> {
    const ours = oursFor(obstacle)
    if (!ours) return 0
    const where = placeOf(ours)
    if (this.#placed?.delete(where)) this.#fights.struck(where)
    const wait = this.#fights.wait(where)
    if (wait > 0) return wait
    await addOurs(iptables, ours)
    this.#placed?.add(where)
    return 0
  }

  async #obstacles(
    netfilter: Netfilter,
    pools: readonly string[],
  ): Promise<{ readonly obstacles: readonly Obstacle[]; readonly problems: readonly string[] }> {
    const obstacles = [...(await nftObstacles(netfilter, pools))]
    const problems: string[] = []
    for (const family of [4, 6] as const) {
      try {
        const text = await this.#options.iptables?.legacyFilter(family)
        if (text !== undefined) obstacles.push(...obstaclesOf(tableOfSave(text, family), 'legacy', pools))
      } catch (error) {
        problems.push(unreadableText(family, error instanceof Error ? error.message : String(error)))
      }
    }
    return { obstacles, problems: [...obstacles.map(each => refusedForwardText(each, commandsFor(each))), ...problems] }
  }
}

function placeOf({ backend, family, chain }: Ours): string {
  return `${backend} ${family} ${chain}`
}

async function nftObstacles(netfilter: Netfilter, pools: readonly string[]): Promise<readonly Obstacle[]> {
  const inTheWay = (await netfilter.chains()).filter(
    ({ family, name, chain }) =>
      chain.hook?.at === 'forward' &&
      poolsOf(family, pools).length > 0 &&
      !(family === ourTable.family && name === ourTable.name),
  )
  const tables = new Map(inTheWay.map(row => [`${row.family} ${row.name}`, row]))
  const found = await Promise.all([...tables.values()].map(row => netfilter.table(row)))
  return found.flatMap(table => (table && !table.dormant ? obstaclesOf(table, 'nft', pools) : []))
}

function obstaclesOf(table: NetfilterTable, backend: Backend, all: readonly string[]): readonly Obstacle[] {
  return table.chains
    .filter(({ hook }) => hook?.at === 'forward')
    .flatMap(chain => {
      // Many a host accepts by policy, and drops or rejects by a last rule.
      const end = (packet: PodPacket) => verdictOf(table, chain, packet) ?? chain.hook?.policy
      const pools = poolsOf(table.family, all).filter(pool => packetsOf(pool).some(packet => end(packet) === 'drop'))
      return pools.length > 0 ? [{ backend, table, chain, pools }] : []
    })
}

function poolsOf(family: NetfilterFamily, pools: readonly string[]): readonly string[] {
  if (family === 'inet') return pools
  return pools.filter(pool => family === (pool.includes(':') ? 'ip6' : 'ip'))
}

function packetsOf(text: string): readonly PodPacket[] {
  const pool = parsePrefix(text)
  return pool ? directions.map(direction => ({ direction, pool })) : []
}

/** The place for rules in a table of iptables; undefined: it is no such table. */
function oursFor({ backend, table, chain, pools }: Obstacle): Ours | undefined {
  if (table.name !== 'filter' || chain.name !== 'FORWARD' || table.family === 'inet') return undefined
  const hasDocker = packetsOf(pools[0]).every(packet => leadsTo(chain, 'DOCKER-USER', packet))
  return { backend, family: table.family === 'ip6' ? 6 : 4, chain: hasDocker ? 'DOCKER-USER' : chain.name }
}

function commandsFor(obstacle: Obstacle): string {
  const { table, chain } = obstacle
  return directions.map(each => commandFor(each, table, chain.name, oursFor(obstacle))).join(' && ')
}

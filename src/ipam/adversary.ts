// The adversary of adversary.test.ts: nodes whose every call to the datastore waits until the adversary lets it through, in
// whatever order it likes. It also cuts calls (the node hears `unreachable`; a write may still arrive, much later), crashes nodes
// and wipes their disks. Time is virtual: nothing waits, and timers fire only as an action of a node.
//
// What is between two calls of a node to the datastore cannot be seen by others, so that a schedule is an order of these calls.

import {
  type Datastore,
  type Entry,
  type Page,
  StoreError,
  type Version,
  type WatchEvent,
} from '../datastore/contract.ts'
import { MemoryNodeStore } from '../datastore/memory.ts'
import type { IPPoolResource } from '../resources/index.ts'
import { formatPrefix, overlaps, parsePrefix } from '../../inet/index.ts'
import { Ipam } from './ipam.ts'
import { type AddressRow, copyKind, type Owner, readCopy, tables } from './records.ts'
import { type BlockRequest, requestKind } from './requests.ts'
import { owner } from './testing.ts'

export type Action =
  | { readonly do: 'assign' | 'release'; readonly id: string }
  | { readonly do: 'tidy' | 'refresh' | 'copy' | 'serve' | 'sweep' | 'back up' | 'look ahead' }

export interface NodePlan {
  readonly name: string
  /** As this node sees them. */
  readonly pools: readonly IPPoolResource[]
  readonly actions: readonly Action[]
}

export interface Story {
  readonly nodes: readonly NodePlan[]
  /** How many faults of each kind the adversary has. */
  readonly cuts: number
  readonly crashes: number
  /** Crashes that take the disk along. */
  readonly losses: number
  /** How often the backup of a disk is put back, if a pod is there that it does not know: by that the node knows that it is older. */
  readonly restores?: number
  /**
   * The kernel shows no pod (their links are down, so their routes are gone). A disk is lost then only while the copies in the
   * datastore have all that was told.
   */
  readonly isBlind?: boolean
  /** A node may also crash before and after each commit to its own store. */
  readonly stepsOfDisk?: boolean
  /** Name of a node that another one has asked for a part of a block before all begins; then nobody else asks. */
  readonly asked?: string
  /** Nodes claim blocks ahead. */
  readonly looksAhead?: boolean
}

interface Call {
  readonly node: NodeRun
  readonly text: string
  readonly isWrite: boolean
  /** To the node's own disk: it is not cut, and arrives at once or never. */
  readonly isOfDisk?: boolean
  readonly run: () => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Choice {
  readonly name: string
  readonly take: () => void
}

/** One step of the adversary, which may be any of `choices`; answers which. Undefined: this story needs no more telling. */
export type Chooser = (choices: readonly string[], state: string) => number | undefined

class NodeRun {
  readonly plan: NodePlan
  store = new MemoryNodeStore()
  backup: MemoryNodeStore | undefined
  ipam: Ipam | undefined
  next = 0
  busy = false
  /** Two at most: one may be of a claim ahead. */
  calls: readonly Call[] = []
  /** All that this life of the node has seen: two runs that agree in it are the same from here on. */
  seen = ''
  constructor(plan: NodePlan) {
    this.plan = plan
  }
}

export class World {
  readonly #nodes: readonly NodeRun[]
  readonly #records = new Map<string, Entry>()
  readonly #versions = new Map<string, number>()
  /** Writes that were cut and may still arrive. */
  #late: Call[] = []
  /** `n1 1` -> addresses that a runtime was told and has not given back. */
  readonly told = new Map<string, string>()
  /** What went wrong, if anything. */
  readonly faults: string[] = []
  readonly trace: string[] = []
  #cuts: number
  #crashes: number
  #losses: number
  #restores: number
  readonly #isBlind: boolean
  readonly #stepsOfDisk: boolean
  /** Without anybody who serves, nobody asks: that spares many schedules that are alike. */
  readonly #asks: boolean
  readonly #looksAhead: boolean

  constructor(story: Story) {
    this.#isBlind = story.isBlind ?? false
    this.#stepsOfDisk = story.stepsOfDisk ?? false
    this.#nodes = story.nodes.map(plan => new NodeRun(plan))
    this.#cuts = story.cuts
    this.#crashes = story.crashes
    this.#losses = story.losses
    this.#restores = story.restores ?? 0
    const serves = story.nodes.some(({ actions }) => actions.some(action => action.do === 'serve'))
    this.#looksAhead = story.looksAhead ?? false
    this.#asks = serves && story.asked === undefined
    if (story.asked === undefined) return
    const value: BlockRequest = { node: 'another', from: story.asked, family: 4, ranges: ['10.42.0.0/16'] }
    const entry = { kind: requestKind, name: 'another', version: '1' as Version, value }
    this.#records.set(`${requestKind}/another`, entry)
  }

  /** Plays one schedule to its end, then heals everything and looks at what is left. False: the chooser broke it off. */
  async play(choose: Chooser): Promise<boolean> {
    for (const node of this.#nodes) this.#start(node)
    for (;;) {
      await settle()
      this.#look()
      const choices = this.#choices()
      if (choices.length === 0 || this.faults.length > 0) break
      const index = choose(
        choices.map(({ name }) => name),
        this.#state(),
      )
      if (index === undefined) return false
      this.trace.push(choices[index].name)
      choices[index].take()
    }
    if (this.faults.length === 0) await this.#heal()
    return true
  }

  #choices(): Choice[] {
    return [
      ...this.#nodes.flatMap(node => this.#choicesOf(node)),
      ...this.#late.map(call => ({ name: `late ${call.node.plan.name} ${call.text}`, take: () => this.#arrive(call) })),
    ]
  }

  #choicesOf(node: NodeRun): Choice[] {
    const { name, actions } = node.plan
    const { calls } = node
    const choices: Choice[] = []
    for (const call of calls) {
      choices.push({ name: `${name} ${call.text}`, take: () => this.#answer(call) })
      if (this.#cuts > 0 && !call.isOfDisk) {
        const cut = (arrives: boolean) => () => {
          this.#cuts--
          if (arrives) attempt(call.run)
          else if (call.isWrite) this.#late.push(call)
          this.#unreachable(call)
        }
        choices.push({ name: `${name} cut before ${call.text}`, take: cut(false) })
        if (call.isWrite) choices.push({ name: `${name} answer lost of ${call.text}`, take: cut(true) })
      }
    }
    if (!node.busy && node.next < actions.length) {
      const action = actions[node.next]
      choices.push({
        name: `${name} begins ${action.do}${'id' in action ? ` ${action.id}` : ''}`,
        take: () => this.#begin(node, action),
      })
    }
    // A crash between two actions is no other than one at the first call of the next.
    for (const call of this.#crashes > 0 ? calls : [])
      for (const arrives of call.isWrite ? [false, true] : [false])
        choices.push({
          name: `${name} crashes ${arrives ? 'after' : 'before'} ${call.text}`,
          take: () => {
            this.#crashes--
            if (arrives) attempt(call.run)
            this.#late.push(...late(calls).filter(each => each !== call || !arrives))
            this.#start(node)
          },
        })
    if (this.#losses > 0 && node.next > 0 && (!this.#isBlind || this.#isCopied(name)))
      choices.push({
        name: `${name} loses its store`,
        take: () => {
          this.#losses--
          this.#late.push(...late(calls))
          node.store = new MemoryNodeStore()
          this.#start(node)
        },
      })
    const { backup } = node
    if (this.#restores > 0 && backup && this.#podsOf(name).some(([id]) => !rowsOf(backup).some(row => row.id === id)))
      choices.push({
        name: `${name} loses its store for the backup`,
        take: () => {
          this.#restores--
          this.#late.push(...late(calls))
          node.store = backup
          node.backup = undefined
          this.#start(node, true)
        },
      })
    return choices
  }

  /** Whether the copies have all that the node's runtime was told. */
  #isCopied(name: string): boolean {
    const copies = [...this.#records.values()].filter(({ kind }) => kind === copyKind)
    const known = new Set(copies.flatMap(({ value }) => readCopy(value, name).map(([address]) => address)))
    return this.#toldBy(name).every(address => known.has(address))
  }

  #toldBy(name: string): readonly string[] {
    return this.#podsOf(name).flatMap(([, addresses]) => addresses)
  }

  /** Its pods, and their addresses. */
  #podsOf(name: string): readonly (readonly [string, readonly string[]])[] {
    return [...this.told]
      .filter(([key]) => key.startsWith(`${name} `))
      .map(([key, text]) => [key.slice(name.length + 1), text.split(' ')])
  }

  /** A new life of the node on what its disk holds. */
  #start(node: NodeRun, isBehind = false): void {
    const { name, pools } = node.plan
    const life = {}
    node.calls = []
    node.busy = true
    node.seen = `life ${JSON.stringify([...node.store.tables].map(([table, rows]) => [table, ...rows]))} `
    const ipam = new Ipam({
      node: name,
      datastore: this.#datastore(node, () => node.ipam === ipam),
      nodeStore: new Mortal(
        node.store,
        () => node.ipam === ipam,
        run => (this.#stepsOfDisk ? this.#commit(node, run) : run()),
      ),
      pools: () => pools,
      labels: () => life,
      now: () => new Date(Date.UTC(2026, 0, 1)),
      timer: () => () => undefined,
      ...(this.#asks && { patience: 0 }),
      ...(this.#looksAhead && { ahead: () => [] }),
    })
    node.ipam = ipam
    // What the kernel shows: the pods live on when their daemon dies.
    const inUse = this.#isBlind ? [] : this.#toldBy(name)
    void this.#attempt(node, ipam, () => this.#load(node, ipam, inUse, isBehind))
  }

  /** As a daemon does it (`src/daemon/store-age.ts`). */
  async #load(node: NodeRun, ipam: Ipam, inUse: readonly string[], isBehind: boolean): Promise<void> {
    const holders = new Map(
      this.#podsOf(node.plan.name).flatMap(([id, addresses]) => addresses.map(each => [each, id])),
    )
    const disowned = rowsOf(node.store).flatMap(({ address, id }) => {
      const holder = holders.get(address)
      return holder !== undefined && holder !== id ? [address] : []
    })
    // A device's name follows from its pod's.
    const found = inUse.map(address => ({
      address,
      mayBeOf: ({ containerId }: Owner) => containerId === owner(holders.get(address) ?? '').containerId,
    }))
    await ipam.load({ inUse: found, isBehind, ...(isBehind && { disowned }) })
    if (isBehind) await ipam.releaseExcept(({ address }) => inUse.includes(address))
  }

  #begin(node: NodeRun, action: Action): void {
    const { ipam } = node
    if (!ipam) return
    node.next++
    node.seen += `${node.next} `
    node.busy = true
    void this.#attempt(node, ipam, async () => {
      switch (action.do) {
        case 'assign':
          return this.#give(node, ipam, action.id)
        case 'release':
          this.told.delete(`${node.plan.name} ${action.id}`) // from here on the address may go
          return void (await ipam.release(owner(action.id)))
        case 'tidy':
          return void (await ipam.releaseEmptyBlocks(0))
        case 'refresh':
          return ipam.refresh()
        case 'copy':
          return ipam.stop()
        case 'sweep':
          return void (await ipam.sweepCopies())
        case 'back up':
          return void (node.backup = new MemoryNodeStore(structuredClone(node.store.tables)))
        case 'look ahead':
          return ipam.lookAhead()
        case 'serve':
          return void (await ipam.serveRequests())
      }
    })
  }

  async #give(node: NodeRun, ipam: Ipam, id: string): Promise<void> {
    const { addresses } = await ipam.assign({ ...owner(id), families: [4] })
    if (node.ipam !== ipam) return
    const text = addresses.map(({ address }) => address).join(' ')
    const key = `${node.plan.name} ${id}`
    const before = this.told.get(key) ?? text
    if (before !== text) {
      // Held since the store was lost, and nobody knows for whom: a runtime asks for a pod anew only when that one is gone.
      const row = ipam.show().addresses.find(({ address }) => address === before)
      if (row?.containerId === '') this.told.set(`${key}'`, before)
      else this.faults.push(`${key} had ${before} and got ${text}`)
    }
    this.told.set(key, text)
  }

  async #attempt(node: NodeRun, ipam: Ipam, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const { code } = error as { readonly code?: string }
      if (node.ipam === ipam && !['unreachable', 'exhausted', 'asked', 'not-available'].includes(code ?? ''))
        this.faults.push(`${node.plan.name}: ${(error as Error).stack}`)
      if (node.ipam === ipam) node.seen += `failed ${code} `
    }
    if (node.ipam === ipam) node.busy = false
  }

  /** Nothing is held twice, whoever is at work. */
  #look(): void {
    const all = [...this.told].flatMap(([key, text]) => text.split(' ').map(address => [address, key] as const))
    for (const [address, keys] of Map.groupBy(all, ([address]) => address))
      if (keys.length > 1) this.faults.push(`${address} was given to ${keys.map(([, key]) => key).join(' and ')}`)
    const owned = this.#nodes.flatMap(({ ipam }) =>
      ipam?.isWhole ? ipam.owned().flatMap(({ cidr }) => parsePrefix(cidr) ?? []) : [],
    )
    if (owned.some((block, i) => owned.some((other, j) => i < j && overlaps(block, other))))
      this.faults.push(`a block has two owners: ${owned.map(formatPrefix).join(' ')}`)
  }

  /** The cut ends, late writes arrive, every node starts anew: all that was told is still true, and nothing is left over. */
  async #heal(): Promise<void> {
    this.#cuts = this.#crashes = this.#losses = this.#restores = 0
    for (const call of this.#late) attempt(call.run)
    this.#late = []
    const finish = async (work: (node: NodeRun, ipam: Ipam) => Promise<void>): Promise<void> => {
      for (const node of this.#nodes) {
        const { ipam } = node
        if (!ipam) continue
        node.busy = true
        void this.#attempt(node, ipam, () => work(node, ipam))
        for (await settle(); isAtWork(node); await settle()) this.#answer(node.calls[0])
      }
      this.#look()
    }
    for (const node of this.#nodes) {
      this.#start(node)
      for (await settle(); isAtWork(node); await settle()) this.#answer(node.calls[0])
    }
    await finish(async (node, ipam) => {
      await ipam.refresh()
      await ipam.sweepCopies() // as a daemon does once at its start
      for (const key of this.told.keys()) {
        const [name, id] = key.split(' ')
        if (name !== node.plan.name) continue
        // The owner of an address that was only found in use is not known: it is held, and that is what counts.
        const rows = ipam.show().addresses.filter(row => this.told.get(key)?.split(' ').includes(row.address))
        if (rows.length === 0) this.faults.push(`${key} lost ${this.told.get(key)}`)
        else if (rows[0].containerId !== '') await this.#give(node, ipam, id)
      }
    })
    await finish(async (_, ipam) => {
      await ipam.releaseExcept(() => false)
      await ipam.releaseEmptyBlocks(0)
    })
    const left = [...this.#records.values()].filter(({ kind }) => kind === 'Block')
    if (left.length > 0) this.faults.push(`left behind: ${left.map(({ name }) => name).join(' ')}`)
  }

  #state(): string {
    const records = [...this.#records.values()].map(({ kind, name, version, value }) => [kind, name, version, value])
    const late = this.#late.map(({ text, node }) => `${node.plan.name} ${text}`)
    const nodes = this.#nodes.map(node => [
      node.seen,
      node.next,
      node.calls.map(({ text }) => text),
      node.backup && rowsOf(node.backup),
    ])
    const budget = [this.#cuts, this.#crashes, this.#losses, this.#restores]
    return JSON.stringify([records.map(each => JSON.stringify(each)).toSorted(), late, nodes, [...this.told], budget])
  }

  // ---- the datastore -----------------------------------------------------------------------------------------------------------

  #answer(call: Call): void {
    call.node.calls = call.node.calls.filter(each => each !== call)
    try {
      const value = call.run()
      call.node.seen += `${call.text} ${JSON.stringify(value)} `
      call.resolve(value)
    } catch (error) {
      call.node.seen += `${call.text} ${(error as StoreError).code} `
      call.reject(error)
    }
  }

  #commit(node: NodeRun, run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const call: Call = { node, text: 'commit', isWrite: true, isOfDisk: true, run, resolve: () => resolve(), reject }
      node.calls = [...node.calls, call]
    })
  }

  #unreachable(call: Call): void {
    call.node.calls = call.node.calls.filter(each => each !== call)
    call.node.seen += `${call.text} cut `
    call.reject(new StoreError('unreachable', 'cut'))
  }

  #arrive(call: Call): void {
    this.#late = this.#late.filter(each => each !== call)
    attempt(call.run)
  }

  #datastore(node: NodeRun, isAlive: () => boolean): Datastore {
    const ask = <T>(text: string, isWrite: boolean, run: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        if (!isAlive()) return // nobody is there to ask, or to hear
        node.calls = [...node.calls, { node, text, isWrite, run, resolve: value => resolve(value as T), reject }]
      })
    const key = (kind: string, name: string): string => `${kind}/${name}`
    const put = (kind: string, name: string, value: unknown): Version => {
      const count = (this.#versions.get(key(kind, name)) ?? 0) + 1
      this.#versions.set(key(kind, name), count)
      const version = String(count) as Version
      this.#records.set(key(kind, name), { kind, name, version, value: structuredClone(value) })
      return version
    }
    const mustBe = (kind: string, name: string, version: Version | undefined): void => {
      const found = this.#records.get(key(kind, name))
      if (!found) throw new StoreError('not-found', 'gone')
      if (version !== undefined && found.version !== version) throw new StoreError('conflict', 'changed')
    }
    return {
      get: (kind, name) => ask(`get ${name}`, false, () => structuredClone(this.#records.get(key(kind, name)))),
      list: kind =>
        ask(`list ${kind}`, false, (): Page => {
          const entries = [...this.#records.values()].filter(entry => entry.kind === kind)
          return { entries: structuredClone(entries).toSorted((a, b) => (a.name < b.name ? -1 : 1)), next: undefined }
        }),
      create: (kind, name, value) =>
        ask(`create ${kind} ${name}`, true, () => {
          if (this.#records.has(key(kind, name))) throw new StoreError('exists', 'is there')
          return put(kind, name, value)
        }),
      update: (kind, name, value, version) =>
        ask(`update ${kind} ${name} ${version}`, true, () => {
          mustBe(kind, name, version)
          return put(kind, name, value)
        }),
      delete: (kind, name, version) =>
        ask(`delete ${kind} ${name} ${version}`, true, () => {
          mustBe(kind, name, version)
          this.#records.delete(key(kind, name))
        }),
      tryWrite: async () => undefined,
      kinds: async () => [...new Set([...this.#records.values()].map(entry => entry.kind))].toSorted(),
      watch: async function* (): AsyncGenerator<WatchEvent, void> {},
      close: async () => undefined,
    }
  }
}

/** Whether the node, whose calls are answered one after another now, has something to do. */
function isAtWork({ busy, calls }: NodeRun): boolean {
  if (busy && calls.length === 0) throw new Error('a node is busy and asks for nothing')
  return calls.length > 0
}

/** Writes of a node that has died, which may arrive yet. */
function late(calls: readonly Call[]): readonly Call[] {
  return calls.filter(({ isWrite, isOfDisk }) => isWrite && !isOfDisk)
}

/** A store that a dead process writes to no more, and whose commits may have to wait. */
class Mortal extends MemoryNodeStore {
  readonly #isAlive: () => boolean
  readonly #pass: (run: () => Promise<void>) => Promise<void>
  constructor(store: MemoryNodeStore, isAlive: () => boolean, pass: (run: () => Promise<void>) => Promise<void>) {
    super(store.tables)
    this.#isAlive = isAlive
    this.#pass = pass
  }

  override async commit(changes: Parameters<MemoryNodeStore['commit']>[0]): Promise<void> {
    if (!this.#isAlive()) return new Promise(() => undefined)
    return this.#pass(() => super.commit(changes))
  }
}

/** What a store has for pods that are known by name. */
function rowsOf(store: MemoryNodeStore): readonly { readonly address: string; readonly id: string }[] {
  const rows = [...(store.tables.get(tables.addresses) ?? [])] as [string, AddressRow][]
  return rows
    .filter(([, row]) => row.containerId !== '')
    .map(([address, row]) => ({ address, id: row.containerId.slice(1) }))
}

/** Until all nodes wait for the adversary. */
function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

function attempt(run: () => unknown): void {
  try {
    run()
  } catch {
    // Nobody hears it.
  }
}

/**
 * Plays every schedule of the story, as far as they differ: one that comes to a state that another has been in ends there.
 * Answers how many were played, and the first that went wrong.
 */
export async function playAll(
  story: Story,
  limit: number,
): Promise<{ readonly played: number; readonly wrong?: World }> {
  const visited = new Set<string>()
  let path: { readonly count: number; readonly taken: number }[] = []
  for (let played = 1; ; played++) {
    const world = new World(story)
    const before = path.length
    let depth = 0
    await world.play((choices, state) => {
      if (depth < before) return path[depth++].taken
      if (visited.has(state)) return undefined
      visited.add(state)
      path.push({ count: choices.length, taken: 0 })
      depth++
      return 0
    })
    if (world.faults.length > 0) return { played, wrong: world }
    while (path.length > 0 && path[path.length - 1].taken + 1 >= path[path.length - 1].count) path.pop()
    const last = path.at(-1)
    if (!last || played >= limit) return { played }
    path = [...path.slice(0, -1), { ...last, taken: last.taken + 1 }]
  }
}

/** Plays one schedule that the numbers choose. A fault is rare, so that it does not always come first. */
export async function playBy(story: Story, numbers: Iterator<number>): Promise<World> {
  const world = new World(story)
  const next = (): number => Number(numbers.next().value ?? 0)
  await world.play(choices => {
    const wanted = next() % 10 === 0
    const some = choices.flatMap((name, i) => (wanted === isFault.test(name) ? [i] : []))
    const among = some.length > 0 ? some : choices.map((_, i) => i)
    return among[next() % among.length]
  })
  return world
}

/**
 * Plays one schedule by what has to happen in it: up to each of `steps` (`a update Block`: how a choice begins) its node alone goes on,
 * by itself and without a fault; after the last all nodes do, in turn. Fails if a step cannot come to pass.
 */
export async function playAlong(story: Story, steps: readonly string[]): Promise<World> {
  const world = new World(story)
  let at = 0
  await world.play(choices => {
    const step = steps[at]
    const wanted = step === undefined ? -1 : choices.findIndex(name => name.startsWith(step))
    if (wanted >= 0) {
      at++
      return wanted
    }
    const node = step?.split(' ')[0]
    const next = choices.findIndex(name => !isFault.test(name) && (node === undefined || name.startsWith(`${node} `)))
    if (next < 0 && step !== undefined) throw new Error(`not to be had: ${step}, but ${choices.join('; ')}`)
    return next < 0 ? undefined : next
  })
  if (at < steps.length) throw new Error(`did not come to pass: ${steps[at]}\n  ${world.trace.join('\n  ')}`)
  return world
}

const isFault = / (cut before|answer lost|crashes|loses) /

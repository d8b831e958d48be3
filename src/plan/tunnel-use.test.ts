// Modes of a live pool change while the nodes hear of it, and of each other, in any order: whatever one sends, the other takes.

import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import t from 'tap'
import { isTunnelDevice, type TunnelState } from '../model/tunnel.ts'
import type { TunnelUse } from '../model/tunnel-use.ts'
import type { Intent } from '../model/intent.ts'
import type { IPPoolSpec } from '../resources/index.ts'
import { createPlanner, type Planner } from './planner.ts'
import { type UseView, wayTo } from './tunnel-use.ts'
import type { Snapshot } from './snapshot.ts'
import { node, pool, twoRacks } from './testing.ts'

type Mode = Pick<Partial<IPPoolSpec>, 'vxlanMode' | 'ipipMode' | 'greMode' | 'wireguardMode'>
type Change = { readonly mode: Mode } | { readonly use: TunnelUse }

/** r1-n1 and r1-n2 share a subnet. */
const nodes = ['r1-n1', 'r1-n2', 'r2-n1']
const modes: readonly Mode[] = [
  {},
  { vxlanMode: 'Always' },
  { vxlanMode: 'CrossSubnet' },
  { ipipMode: 'Always' },
  { greMode: 'CrossSubnet' },
]

/** What all nodes hear of, in one order, each in its own time. */
class Store {
  readonly log: Change[] = []
  nodes = nodes
  /** Beside the one that is switched. */
  pools: Snapshot['pools'] = []

  view(length: number): Snapshot {
    const seen = this.log.slice(0, length)
    const mode = seen.findLast(change => 'mode' in change)?.mode ?? {}
    const uses = new Map(seen.flatMap(change => ('use' in change ? [[change.use.node, change.use] as const] : [])))
    return {
      ...twoRacks,
      nodes: twoRacks.nodes.filter(({ metadata }) => this.nodes.includes(metadata.name)),
      pools: [pool('pods', '10.42.0.0/16', mode), ...this.pools],
      tunnelUses: [...uses.values()],
    }
  }
}

interface Written {
  readonly before: TunnelUse | undefined
  readonly use: TunnelUse
}

class Machine {
  readonly name: string
  readonly #store: Store
  #planner: Planner
  #heard = 0
  #states = new Map<string, TunnelState>()
  #unwritten: Written | undefined
  /** Not heard of yet. */
  #pending: Written | undefined
  #again = false
  readonly lacks = new Set<string>()
  /** Names of those with whom it has session keys. */
  met: readonly string[] = []
  /** In the kernel. */
  devices = new Set<string>()
  /** By address of the other node: device, or bare. */
  ways = new Map<string, string>()
  intent: Intent | undefined

  constructor(name: string, store: Store) {
    this.name = name
    this.#store = store
    this.#planner = createPlanner(name)
  }

  hear(): void {
    this.#heard = Math.min(this.#heard + 1, this.#store.log.length)
  }

  /** As the daemon does: devices, then routes, then what goes; what is told of it comes later. */
  act(): void {
    const snapshot = this.#store.view(this.#heard)
    const stored = snapshot.tunnelUses.find(use => use.node === this.name)
    const pendingUse = this.#pending?.use
    const { tunnels } = this.#planner.plan(snapshot, { tunnels: this.#states, pendingUse })
    this.#states = new Map(
      tunnels.map(({ device, kind }) => [
        device,
        this.lacks.has(device) ? { fault: 'not in this kernel' } : kind === 'wireguard' ? { met: this.met } : {},
      ]),
    )
    for (const { device } of tunnels) if (!this.lacks.has(device)) this.devices.add(device)
    this.intent = this.#planner.plan(snapshot, { tunnels: this.#states, pendingUse })
    const [rule] = this.intent.routes.tunnels ?? []
    this.ways = new Map(rule?.remotes.map(end => [end.nextHop, end.instead?.device ?? rule.device]))
    const wanted = new Set(this.intent.tunnels.map(({ device }) => device))
    for (const device of this.devices) if (!wanted.has(device)) this.devices.delete(device)
    this.#again = this.#pending !== undefined && !isDeepStrictEqual(stored, this.#pending.before)
    if (this.#again) this.#pending = this.#unwritten = undefined
    else if (!this.#pending) {
      const { tunnelUse } = this.intent
      this.#unwritten =
        tunnelUse && !isDeepStrictEqual(stored, tunnelUse) ? { before: stored, use: tunnelUse } : undefined
    }
  }

  write(): void {
    if (!this.#unwritten) return
    this.#store.log.push({ use: this.#unwritten.use })
    this.#pending = this.#unwritten
    this.#unwritten = undefined
  }

  /** Its kernel stays, and it begins with all that the store says. */
  restart(): void {
    this.#planner = createPlanner(this.name)
    this.#states = new Map()
    this.#unwritten = this.#pending = undefined
    this.#heard = this.#store.log.length
  }

  get isDone(): boolean {
    return this.#heard === this.#store.log.length && !this.#unwritten && !this.#pending && !this.#again
  }
}

class World {
  readonly store = new Store()
  readonly machines = nodes.map(name => new Machine(name, this.store))

  constructor(mode: Mode) {
    this.store.log.push({ mode })
    this.settle()
  }

  /** Until nobody has anything to hear, do or say. */
  settle(check = () => {}): void {
    for (let rounds = 0; rounds < 100; rounds++) {
      for (const machine of this.machines) {
        machine.hear()
        machine.act()
        check()
        machine.write()
      }
      if (this.machines.every(machine => machine.isDone)) return
    }
    throw new Error('it never ends')
  }

  /** Packets that nobody would take, a sentence each. */
  lost(): readonly string[] {
    return this.machines.flatMap(from =>
      this.machines.flatMap(to => {
        const way = from.ways.get(addressOf(to.name))
        return way === undefined || to.devices.has(way) ? [] : [`${from.name} sends by ${way}, which ${to.name} lacks`]
      }),
    )
  }
}

function addressOf(name: string): string {
  return twoRacks.nodes.find(({ metadata }) => metadata.name === name)!.spec.bgp!.ipv4Address!.split('/')[0]
}

/** Where no mode was ever changed. */
const settledWorlds = new Map<Mode, World>()
function settled(mode: Mode): World {
  const world = settledWorlds.get(mode) ?? new World(mode)
  settledWorlds.set(mode, world)
  return world
}

type Step =
  | { readonly do: 'hear' | 'act' | 'write' | 'restart'; readonly who: number }
  | { readonly do: 'switch'; readonly mode: Mode }

const stepOf = (choice: readonly Mode[]): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('hear', 'act', 'write'), who: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart'), who: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('switch'), mode: fc.constantFrom(...choice) }) },
  )

function run(step: Step, { store, machines }: World): void {
  if (step.do === 'switch') store.log.push({ mode: step.mode })
  else machines[step.who][step.do]()
}

t.test('at every moment each sends in a way that the other takes, and in the end as the pool says', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...modes), fc.array(stepOf(modes), { maxLength: 120 }), (first, steps) => {
      const world = new World(first)
      const check = () => {
        const lost = world.lost()
        if (lost.length > 0) throw new Error(lost.join('; '))
      }
      for (const step of steps) {
        run(step, world)
        check()
      }
      world.settle(check)
      const fresh = settled(world.store.log.findLast(change => 'mode' in change)!.mode)
      for (const [i, { name, devices, intent }] of world.machines.entries()) {
        if (JSON.stringify([...devices]) !== JSON.stringify([...fresh.machines[i].devices]))
          throw new Error(`${name} keeps ${[...devices].join()}`)
        if (JSON.stringify(intent!.routes.tunnels) !== JSON.stringify(fresh.machines[i].intent!.routes.tunnels))
          throw new Error(`${name} ends otherwise: ${JSON.stringify(intent!.routes.tunnels)}`)
        if (intent!.waits.length > 0) throw new Error(intent!.waits.join())
      }
    }),
    { numRuns: 150 },
  )
})

t.test(
  'nobody begins before the others can know of it: one that is slow to say so meets one that gives up',
  async t => {
    const world = new World({})
    const { store } = world
    const [slow, quick] = world.machines
    const next = (machine: Machine) => {
      for (let i = 0; i <= store.log.length; i++) machine.hear()
      machine.act()
    }
    store.log.push({ mode: { vxlanMode: 'Always' } })
    next(quick)
    quick.write()
    next(slow)
    store.log.push({ mode: {} })
    for (let i = 0; i < 5; i++) {
      next(quick)
      quick.write()
      t.same(world.lost(), [])
    }
    t.same([...quick.devices], [], 'it has given up')
  },
)

t.test('where packets were always wrapped, none ever leaves as it is', async () => {
  const wrapped = modes.filter(mode => Object.values(mode).includes('Always'))
  fc.assert(
    fc.property(fc.constantFrom(...wrapped), fc.array(stepOf(wrapped), { maxLength: 120 }), (first, steps) => {
      const world = new World(first)
      for (const step of steps) {
        run(step, world)
        for (const { name, ways, intent } of world.machines)
          if (intent!.routes.tunnels?.some(({ bare }) => bare) || ways.size !== 2)
            throw new Error(`${name}: ${JSON.stringify(intent!.routes.tunnels)}`)
      }
    }),
    { numRuns: 100 },
  )
})

t.test('a node whose kernel lacks the new kind: it and the others go on as before, and the status says so', async t => {
  const world = new World({ vxlanMode: 'Always' })
  const [first, second, lacking] = world.machines
  lacking.lacks.add('margay-ipip')
  world.store.log.push({ mode: { ipipMode: 'Always' } })
  world.settle(() => t.same(world.lost(), []))
  t.same(
    [...first.ways],
    [
      [addressOf(second.name), 'margay-ipip'],
      [addressOf(lacking.name), 'margay-vxlan4'],
    ],
  )
  t.same(new Set(lacking.ways.values()), new Set(['margay-vxlan4']))
  t.same([...second.devices].filter(isTunnelDevice).toSorted(), ['margay-ipip', 'margay-vxlan4'])
  t.match(first.intent!.waits, [/packets to 10\.0\.2\.11 leave as before/, /margay-vxlan4 stays until .* r2-n1/])
})

t.test('what a node without the new kind says of its own subnet is so: there nothing was wrapped before', async t => {
  const world = new World({ vxlanMode: 'CrossSubnet' })
  const [lacking, near, far] = world.machines
  lacking.lacks.add('margay-ipip')
  world.store.log.push({ mode: { ipipMode: 'Always' } })
  world.settle(() => t.same(world.lost(), []))
  t.same([...lacking.ways], [[addressOf(far.name), 'margay-vxlan4']])
  t.match(lacking.intent!.routes.tunnels, [{ bare: [addressOf(near.name)] }])
  t.match(lacking.intent!.waits[0], new RegExp(`packets to .*${addressOf(near.name)}.* leave as before`))
  t.equal(near.ways.has(addressOf(lacking.name)), false, 'nor there')
})

t.test('a node that is off holds the old device, which is said; without its Node it holds nothing', async t => {
  const world = new World({ vxlanMode: 'Always' })
  const [first, second, off] = world.machines
  world.store.log.push({ mode: {} })
  for (let i = 0; i < 20; i++)
    for (const machine of [first, second]) {
      machine.hear()
      machine.act()
      machine.write()
    }
  t.same([...first.devices], ['margay-vxlan4'])
  t.same([...first.ways], [], 'nothing is sent by it')
  t.match(first.intent!.waits, [/margay-vxlan4 stays until it is heard of r2-n1 .* it does no harm/])
  const snapshot = world.store.view(world.store.log.length)
  const remaining = snapshot.nodes.filter(({ metadata }) => metadata.name !== off.name)
  const states = new Map([['margay-vxlan4', {}]])
  const { tunnelUse } = createPlanner(first.name).plan({ ...snapshot, nodes: remaining }, { tunnels: states })
  t.match(tunnelUse, { accepts: [], leaving: ['margay-vxlan4'] })
})

t.test('who has said nothing, as a node of an older version, is sent to as the pool says', async t => {
  const nodes = [node('a', { ipv4Address: '10.0.1.1/24' }), node('b', { ipv4Address: '10.0.1.2/24' })]
  const pools = [pool('pods', '10.42.0.0/16', { vxlanMode: 'Always' })]
  const use = { node: 'a', accepts: [], leaving: [], sends: [], bare: { pods: 'all' }, open: { pods: 'all' } } as const
  for (const tunnelUses of [[], [use]]) {
    const { routes } = createPlanner('a').plan({ ...twoRacks, nodes, pools, tunnelUses })
    t.match(routes.tunnels, [{ device: 'margay-vxlan4', remotes: [{ nextHop: '10.0.1.2', instead: undefined }] }])
  }
})

t.test('by WireGuard is sent to a node that was met; till then as that one took it before', async t => {
  const wish = { pool: 'pods', device: 'margay-wg4', remote: 'b', isNear: false }
  const of = (node: string): TunnelUse => ({
    node,
    accepts: ['margay-ipip', 'margay-wg4'],
    leaving: [],
    sends: ['margay-ipip', 'margay-wg4'],
    bare: {},
    open: { pods: ['b'] },
  })
  const view = (met: readonly string[], theirs = of('b'), own = of('a')): UseView => ({
    own,
    uses: new Map([['b', theirs]]),
    nodes: [{ name: 'a' }, { name: 'b' }],
    states: new Map([
      ['margay-ipip', {}],
      ['margay-wg4', { met }],
    ]),
  })
  const alike = ['margay-ipip', 'margay-wg4']
  t.same(wayTo(view([]), wish, alike), { device: 'margay-ipip' })
  t.same(wayTo(view(['b']), wish, alike), { device: 'margay-wg4' })
  t.same(wayTo(view([], of('b'), { ...of('a'), open: {} }), wish, alike), { device: 'margay-wg4' }, 'it was met before')
  const taken = { ...of('b'), accepts: ['margay-wg4'] }
  t.same(
    wayTo(view([], taken), wish, alike),
    { device: 'margay-wg4' },
    'with no other way the kernel keeps packets back',
  )
})

for (const before of [{}, { ipipMode: 'Always' }, { vxlanMode: 'CrossSubnet' }] as const)
  t.test(`once by WireGuard, never again in the open, from ${JSON.stringify(before)}`, async t => {
    const world = new World(before)
    const { store } = world
    const [first, second, third] = world.machines
    const wayTo = (to: string) => first.ways.get(addressOf(to))
    const open = () => store.log.findLast(change => 'use' in change && change.use.node === first.name)
    for (const each of world.machines) each.met = nodes.filter(name => ![each.name, third.name].includes(name))
    const [toSecond, toThird] = [wayTo(second.name), wayTo(third.name)]
    store.log.push({ mode: { wireguardMode: 'Always' } })
    const seen = new Set<string | undefined>()
    world.settle(() => seen.add(wayTo(second.name)))
    t.same([...seen], [toSecond, 'margay-wg4'], 'the change itself keeps nothing back')
    t.equal(wayTo(third.name), toThird, 'who was never met, as before')
    t.match(open(), { use: { open: { pods: [third.name] } } })

    first.met = []
    world.settle(() => t.equal(wayTo(second.name), 'margay-wg4', 'its key is another now'))
    t.match(first.intent!.routes.tunnels, [{ bare: toThird === undefined ? [addressOf(third.name)] : undefined }])
    first.restart()
    world.settle(() => t.equal(wayTo(second.name), 'margay-wg4', 'also after a restart'))

    store.nodes = [...nodes, 'r2-n2']
    world.settle()
    t.equal(wayTo('r2-n2'), 'margay-wg4', 'a node that comes later')

    first.met = [third.name]
    world.settle()
    first.met = []
    world.settle(() => t.equal(wayTo(third.name), 'margay-wg4', 'and the last one'))
    t.match(open(), { use: { open: {} } })
  })

t.test('what kept packets back is told: a node with a key that was not met', async t => {
  const keyed = nodes.map(name => {
    const found = twoRacks.nodes.find(({ metadata }) => metadata.name === name)!
    return { ...found, spec: { ...found.spec, wireguard: { publicKey: Buffer.alloc(32, name).toString('base64') } } }
  })
  const pools = [pool('pods', '10.42.0.0/16', { wireguardMode: 'Always' })]
  const states = new Map([['margay-wg4', { met: ['r1-n2'] }]])
  const { waits } = createPlanner('r1-n1').plan({ ...twoRacks, nodes: keyed, pools }, { tunnels: states })
  t.match(waits, [/^packets to 10\.0\.2\.11 do not leave until .* have met by margay-wg4, .* UDP port 51820/])
})

t.test('another pool is in a tunnel without keys: an encrypted one does not borrow it', async t => {
  const world = new World({ wireguardMode: 'Always' })
  world.store.pools = [pool('others', '10.43.0.0/16', { vxlanMode: 'Always' })]
  world.settle(() => t.same(new Set(world.machines[0].ways.values()), new Set(['margay-wg4'])))
  t.same([...world.machines[0].devices].toSorted(), ['margay-vxlan4', 'margay-wg4'])
})

t.test('from CrossSubnet to Always: the own subnet goes on in the open until it is met', async t => {
  const world = new World({ wireguardMode: 'CrossSubnet' })
  const [first, near] = world.machines
  world.store.log.push({ mode: { wireguardMode: 'Always' } })
  world.settle(() => t.equal(first.ways.get(addressOf(near.name)), undefined))
  t.match(first.intent!.routes.tunnels, [{ bare: [addressOf(near.name)] }])
  for (const machine of world.machines) machine.met = nodes
  world.settle()
  for (const machine of world.machines) machine.met = []
  world.settle(() => t.equal(first.ways.get(addressOf(near.name)), 'margay-wg4'))
})

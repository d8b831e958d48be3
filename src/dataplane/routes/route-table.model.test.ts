// Whatever is wanted, whatever others do meanwhile: in the end the kernel holds what is wanted and what is foreign, and on
// the way nothing foreign was replaced or deleted.

import * as fc from 'fast-check'
import t from 'tap'
import type { Operation, Route } from '../../../netlink/types.ts'
import { type FibClass, fibClasses, type FibEntry } from '../../model/fib.ts'
import { nextTurn } from '../clock.ts'
import { Dataplane } from '../dataplane.ts'
import { fakeWorld, type FakeWorld, settle } from '../fake-world.ts'
import { DesiredRoutes } from './desired.ts'
import { defaultMark, isMarked, sameRoute, toRoute } from './route.ts'

const prefixes = ['10.42.0.0/26', '10.42.1.0/26', '10.42.0.5/32', 'fd00:42::/122']

type Step =
  | { readonly do: 'set'; readonly owner: FibClass; readonly entries: readonly FibEntry[] }
  | { readonly do: 'patch'; readonly owner: FibClass; readonly prefix: string; readonly entry?: FibEntry }
  | { readonly do: 'foreign' | 'lost'; readonly act: ForeignAct }
  | { readonly do: 'flap'; readonly link: 'eth0' | 'eth1' }
  | { readonly do: 'readdress' }
  | { readonly do: 'refuse'; readonly every: number }
  | { readonly do: 'restart' }
  | { readonly do: 'wait' }

const isSix = (prefix: string): boolean => prefix.includes(':')

const entry = (prefix: string): fc.Arbitrary<FibEntry> =>
  fc.oneof(
    fc.constant<FibEntry>({ prefix, kind: 'unreachable', nextHops: [] }),
    fc
      .subarray(isSix(prefix) ? ['fd00:1::1', 'fd00:1::2'] : ['10.0.1.1', '10.0.1.2', '10.0.2.1'], { minLength: 1 })
      .map((gateways): FibEntry => {
        const nextHops = gateways.map(gateway => ({ gateway, device: gateway.startsWith('10.0.2') ? 'eth1' : 'eth0' }))
        return { prefix, kind: 'unicast', nextHops }
      }),
  )

const owner = fc.constantFrom(...fibClasses)
const prefix = fc.constantFrom(...prefixes)

interface ForeignAct {
  readonly verb: 'route.add' | 'route.replace' | 'route.delete'
  readonly dst: string
  readonly metric: number
  readonly protocol: number
}

const act: fc.Arbitrary<ForeignAct> = fc.record({
  verb: fc.constantFrom('route.add', 'route.replace', 'route.delete'),
  dst: prefix,
  metric: fc.constantFrom(20, 1024, 4000),
  protocol: fc.constantFrom(4, 81, 186),
})

function operationOf(w: FakeWorld, { verb, dst, metric, protocol }: ForeignAct): Operation {
  if (verb === 'route.delete') return { do: verb, route: { dst, metric, protocol, scope: 'nowhere', nextHops: [] } }
  const hop = isSix(dst) ? { gateway: 'fd00:1::66', link: w.eth0 } : { gateway: '10.0.2.66', link: w.eth1 }
  return { do: verb, route: { dst, metric, protocol, scope: 'universe', nextHops: [hop] } }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('set'),
      owner,
      entries: fc.subarray(prefixes).chain(some => fc.tuple(...some.map(entry))),
    }),
  },
  {
    weight: 6,
    arbitrary: prefix.chain(p =>
      fc.record({
        do: fc.constant('patch'),
        owner,
        prefix: fc.constant(p),
        entry: fc.option(entry(p), { nil: undefined }),
      }),
    ),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('foreign'), act }) },
  fc.record({ do: fc.constant('lost'), act }),
  fc.record({ do: fc.constant('flap'), link: fc.constantFrom('eth0', 'eth1') }),
  fc.constant({ do: 'readdress' } as const),
  fc.record({ do: fc.constant('refuse'), every: fc.integer({ min: 0, max: 3 }) }),
  fc.constant({ do: 'restart' } as const),
  { weight: 4, arbitrary: fc.constant({ do: 'wait' } as const) },
)

class Run {
  readonly w: FakeWorld
  plane: Dataplane
  readonly wanted = new DesiredRoutes()
  readonly #foreignOperations = new Set<Operation>()
  readonly faults: string[] = []
  #refuseEvery = 0
  #count = 0

  private constructor(w: FakeWorld, plane: Dataplane) {
    this.w = w
    this.plane = plane
    w.kernel.node.refuse = operation => this.#inspect(operation)
  }

  static async start(): Promise<Run> {
    const w = await fakeWorld()
    return new Run(w, await open(w))
  }

  async take(s: Step): Promise<void> {
    const { w, plane } = this
    await nextTurn() // what the last step set in motion goes first: nobody can see another's write in the same instant
    switch (s.do) {
      case 'set':
        this.wanted.set(s.owner, s.entries)
        return plane.routes.set(s.owner, s.entries)
      case 'patch':
        this.wanted.patch(s.owner, [s])
        return plane.routes.patch(s.owner, [s])
      case 'foreign':
        return this.#foreignly(operationOf(w, s.act))
      case 'lost':
        return w.kernel.node.overrun(() => this.#foreignly(operationOf(w, s.act)))
      case 'flap':
        for (const up of [false, true]) this.#foreignly({ do: 'link.set', link: w[s.link], change: { up } })
        return
      case 'readdress':
        for (const verb of ['address.delete', 'address.add'] as const)
          this.#foreignly({ do: verb, address: { link: w.eth0, cidr: '10.0.1.7/24', scope: 'universe' } })
        return
      case 'refuse':
        this.#refuseEvery = s.every
        return
      case 'restart':
        await plane.close()
        this.plane = await open(w)
        for (const name of fibClasses) this.plane.routes.set(name, entriesOf(this.wanted, name))
        return
      case 'wait':
        return settle(plane, w)
    }
  }

  async end(): Promise<void> {
    this.#refuseEvery = 0
    await settle(this.plane, this.w)
    this.w.clock.advance(60_000)
    await settle(this.plane, this.w)
  }

  #foreignly(operation: Operation): void {
    this.#foreignOperations.add(operation)
    this.w.kernel.node.apply(operation)
  }

  #inspect(operation: Operation): string | undefined {
    if (this.#foreignOperations.has(operation)) return undefined
    if (operation.do === 'route.delete' && operation.route.protocol !== 81)
      this.faults.push('a delete without our protocol')
    if (operation.do === 'route.replace') {
      const { dst, metric } = operation.route
      const victim = this.w.kernel.node.routes.find(route => route.dst === dst && route.metric === metric)
      if (victim && !isMarked(victim, defaultMark)) this.faults.push(`replaced ${JSON.stringify(victim)}`)
    }
    return this.#refuseEvery > 0 && ++this.#count % this.#refuseEvery === 0 ? 'ENOBUFS' : undefined
  }
}

async function open(w: FakeWorld): Promise<Dataplane> {
  const plane = await Dataplane.open({ kernel: w.kernel, clock: w.clock })
  for (const name of fibClasses) plane.routes.inSync(name)
  return plane
}

function entriesOf(wanted: DesiredRoutes, name: FibClass): FibEntry[] {
  return prefixes.flatMap(one => {
    const alone = wanted.entry(name, one)
    return alone ? [alone] : []
  })
}

t.test('desired and foreign converge, and nothing foreign is touched', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const run = await Run.start()
      for (const one of steps) await run.take(one)
      await run.end()
      const { routes } = run.w.kernel.node
      for (const one of prefixes) {
        const others: readonly Route[] = routes.filter(route => route.dst === one && !isMarked(route, defaultMark))
        const mine = routes.filter(route => route.dst === one && isMarked(route, defaultMark))
        const winner = run.wanted.winner(one)
        const keptOut =
          others.some(route => route.metric === 1024) || (winner?.class !== 'endpoint' && others.length > 0)
        if (!winner || keptOut) {
          if (mine.length > 0)
            throw new Error(`${one}: ours should not be there: ${JSON.stringify([mine, others, winner])}`)
          continue
        }
        const want = toRoute(winner.entry, defaultMark, name => run.w.kernel.node.named(name)) as Route
        if (mine.length !== 1 || !sameRoute(mine[0], want))
          throw new Error(
            `${one}: ${JSON.stringify(mine)} is not ${JSON.stringify(want)}: ${JSON.stringify(run.plane.routes.trouble)}`,
          )
      }
      if (run.faults.length > 0) throw new Error(run.faults.join('\n'))
      run.w.kernel.node.log.length = 0
      await run.plane.routes.audit()
      if (run.w.kernel.node.log.length > 0) throw new Error(`not at rest: ${JSON.stringify(run.w.kernel.node.log)}`)
      await run.plane.close()
    }),
    { numRuns: 150 },
  )
  t.pass('150 runs')
})

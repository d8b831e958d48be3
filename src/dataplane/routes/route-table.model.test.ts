// Whatever is wanted, whatever others do meanwhile: in the end the kernel holds what is wanted and what is foreign, and on
// the way nothing foreign was replaced or deleted.

import * as fc from 'fast-check'
import t from 'tap'
import type { Operation } from '../../../netlink/types.ts'
import { fibClasses } from '../../model/fib.ts'
import { nextTurn } from '../clock.ts'
import { Dataplane } from '../dataplane.ts'
import { fakeWorld, type FakeWorld, settle } from '../fake-world.ts'
import { defaultMark, isMarked } from './route.ts'
import { expectations, fewestMessages, isMet, operationOf, questions, step, type Step, Wishes } from './testing.ts'

class Run {
  readonly w: FakeWorld
  plane: Dataplane
  readonly wanted = new Wishes()
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
        this.wanted.patch(s.owner, s)
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
        for (const name of fibClasses) this.plane.routes.set(name, this.wanted.of(name))
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

  expectations() {
    const { node } = this.w.kernel
    return expectations(this.wanted, node.routes, link => [...node.links].find(({ index }) => index === link)?.name)
  }

  mustBeRight(): void {
    const wrong = this.expectations().filter(one => !isMet(one))
    if (wrong.length > 0) throw new Error(`${JSON.stringify(wrong)}: ${JSON.stringify(this.plane.routes.trouble)}`)
  }

  /** Messages sent to the kernel by the plane and not by others, since the last call. */
  takeCount(): number {
    const { log } = this.w.kernel.node
    const count = log.filter(operation => !this.#foreignOperations.has(operation)).length
    log.length = 0
    return count
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

t.test('desired and foreign converge, and nothing foreign is touched', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const run = await Run.start()
      for (const one of steps) await run.take(one)
      await run.end()
      run.mustBeRight()
      if (run.faults.length > 0) throw new Error(run.faults.join('\n'))
      run.w.kernel.node.log.length = 0
      await run.plane.routes.audit()
      if (run.w.kernel.node.log.length > 0) throw new Error(`not at rest: ${JSON.stringify(run.w.kernel.node.log)}`)
      await run.plane.close()
    }),
    { numRuns: 400, endOnFailure: true },
  )
  t.pass('400 runs')
})

t.test('one step at a time: never a message more than the oracle says', async t => {
  const steps = fc.array(
    step.filter(one => one.do !== 'refuse' && one.do !== 'wait'),
    { maxLength: 20 },
  )
  await fc.assert(
    fc.asyncProperty(steps, async list => {
      const run = await Run.start()
      for (const one of list) {
        run.takeCount()
        await run.take(one)
        const fewest = fewestMessages(run.expectations())
        await settle(run.plane, run.w)
        run.w.clock.advance(60_000) // the end of a pause in a fight
        await settle(run.plane, run.w)
        run.mustBeRight()
        const sent = run.takeCount()
        if (sent < fewest || sent > fewest + questions(one))
          throw new Error(`${JSON.stringify(one)}: ${sent} messages, not ${fewest}`)
      }
      await run.plane.close()
    }),
    { numRuns: 400, endOnFailure: true },
  )
  t.pass('400 runs')
})

// The daemon is away: DEL succeeds, ADD waits, the rest says so; nothing leaks. Items 10, 13, 17, 25.

import type { Test } from 'tap'
import { eventually } from '../../kit/lab.ts'
import { type CniWorld, type Container, errorIn } from '../world.ts'

export function away(t: Test, world: CniWorld): void {
  const { lab, node } = world
  const inSync = () =>
    eventually(
      'the daemon is in sync',
      async () => (await lab.ask(node, '/v1/status', {}).catch(() => undefined))?.inSync,
      60,
    )

  t.test('DEL succeeds and is done later; the rest says that it is away, a bad call at once', async t => {
    const network = world.network('1.1.0')
    const [leaving, staying] = [await world.container(), await world.container()]
    for (const each of [leaving, staying]) await network.add(each)
    const result = network.result(staying)
    await lab.kill(node, 'margayd')
    await network.del(leaving)
    await network.del(leaving)
    t.match(errorIn(await world.call('CHECK', '1.1.0', staying, { prevResult: result })), { code: 11 })
    t.match(errorIn(await world.call('STATUS', '1.1.0')), {
      code: 50,
      msg: /does not listen|not running|cannot be reached/,
    })
    t.match(errorIn(await world.call('GC', '1.1.0')), { code: 11 })
    t.match(errorIn(await world.call('ADD', '1.1.0', leaving, '{')), { code: 6 })
    t.match(errorIn(await world.call('ADD', '1.1.0', leaving, { name: 'a b' })), { code: 7 })
    t.match(errorIn(await world.call('ADD', '1.1.0', await world.container())), { code: 11, msg: /does not listen/ })

    // A runtime whose patience ends before the daemon is back kills the plugin that waits.
    const impatient = await world.container()
    await t.rejects(network.add({ ...impatient, killAfter: 500 }), { message: /exit code null/ })

    const late = await world.container()
    const adding = network.add(late)
    lab.startNode(node)
    await adding
    t.pass('an ADD waits for a daemon that restarts')
    await inSync()
    t.equal((await world.addressesInUse()).length, 4, 'the DEL is done, the pod that stays has its addresses')
    await network.check(staying)
    for (const each of [late, staying]) await network.del(each)
    t.same(await world.leftOnNode(), [])
  })

  t.test('a daemon killed amid ADDs, again and again: what was answered lives, DEL takes the rest', async t => {
    const network = world.network('1.1.0')
    for (let round = 0; round < 3; round++) {
      const containers = await Promise.all(Array.from({ length: 8 }, () => world.container()))
      const enough = Promise.withResolvers<void>()
      let answered = 0
      const add = async (container: Container) => {
        await network.add(container)
        if (++answered >= 2 * round) enough.resolve()
      }
      const adding = Promise.allSettled(containers.map(add))
      if (round > 0) await enough.promise
      await lab.kill(node, 'margayd')
      lab.startNode(node)
      const outcomes = await adding
      const alive = containers.filter((_, i) => outcomes[i].status === 'fulfilled')
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') t.match(outcome.reason, { code: 11 }, 'a refusal is: try again')
      await inSync()
      for (const container of alive) await network.check(container)
      t.comment(`${alive.length} of 8 were answered`)
      for (const container of containers) await network.del(container)
      t.same(await world.leftOnNode(), [])
    }
  })

  t.test('STATUS: 51 while no BGP session is up', async t => {
    const network = world.network('1.1.0')
    await lab.established()
    await network.status()
    await lab.stop(world.remote.node, 'margayd')
    const refusal = await eventually(
      'no session is up',
      () =>
        network.status().then(
          () => undefined,
          (error: unknown) => error,
        ),
      60,
    )
    t.match(refusal, { code: 51, message: /none of the \d BGP sessions/ })
    lab.startNode(world.remote.node)
    await lab.established()
    await network.status()
  })
}

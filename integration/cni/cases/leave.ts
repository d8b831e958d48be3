// DEL and GC: repeatable, needing nothing but id and interface, and never hitting what lives. Items 10, 11, 12, 16, 24.

import { writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { addressesOf, atLeast, type CniWorld, type Container, type Version } from '../world.ts'

export function leave(t: Test, world: CniWorld, version: Version): void {
  t.test('DEL: again and again, never added, without namespace or result, namespace gone', async t => {
    const network = world.network(version)
    const container = await world.container()
    await network.add(container)
    const { containerId } = container
    for (let i = 0; i < 3; i++)
      t.strictSame(await world.call('DEL', version, { containerId }), { exitCode: 0, stdout: '', stderr: '' })
    t.same(await world.leftOnNode(), [])
    await network.del(container)
    await network.del(await world.container())

    const gone = await world.container()
    await network.add(gone)
    await world.remove(gone)
    writeFileSync(network.fileOf(gone), '{ damaged')
    await network.del(gone)
    t.same(await world.leftOnNode(), [])
  })

  t.test('a late DEL of an earlier container leaves the new one alone', async t => {
    const network = world.network(version)
    const [old, young] = [await world.container(), await world.container()]
    await network.add(old)
    await network.del(old)
    const address = addressesOf(await network.add({ ...young, netns: old.netns }))
    await network.del(old)
    t.same(
      (await world.addressesInUse()).toSorted(),
      address.map(each => each.split('/')[0]).toSorted(),
      'the young one keeps its addresses',
    )
    t.ok(await world.reaches(world.node, address[0].split('/')[0]))
    await network.del(young)
    t.same(await world.leftOnNode(), [])
  })

  t.test('a plugin killed at any moment; then DEL: nothing is left, and the next ADD works', async t => {
    const network = world.network(version)
    const container = await world.container()
    const outcomes = []
    for (let i = 0; i < 3; i++) {
      const killAfter = Math.random() * 60
      outcomes.push(
        await network.add({ ...container, killAfter }).then(
          () => 'added',
          () => 'killed',
        ),
      )
      await network.del(container)
      t.same(await world.leftOnNode(), [], `killed after ${killAfter.toFixed(1)} ms`)
    }
    t.comment(outcomes.join(', '))
    await network.add(container)
    // A DEL that is killed is said again.
    await network.del({ ...container, killAfter: Math.random() * 30 }).catch(() => {})
    await network.del(container)
    t.same(await world.leftOnNode(), [])
  })

  if (!atLeast(version, '1.1.0')) {
    t.test('GC and STATUS came later: code 1', async t => {
      for (const command of ['GC', 'STATUS']) {
        const { exitCode, stdout } = await world.call(command, version)
        t.match([exitCode, JSON.parse(stdout)], [1, { code: 1, details: /1\.1\.0/ }])
      }
    })
    return
  }

  t.test('GC frees what the runtime does not know, in its own network only', async t => {
    const network = world.network(version)
    const other = world.network(version, { name: 'other' })
    const [kept, forgotten, foreign] = [await world.container(), await world.container(), await world.container()]
    const results = await Promise.all([network.add(kept), other.add(foreign)])
    // The runtime lost its word of this one: it never learned what ADD answered.
    t.equal((await world.call('ADD', version, forgotten)).exitCode, 0)
    const count = (await world.addressesInUse()).length

    t.strictSame(await world.call('GC', version), { exitCode: 0, stdout: '', stderr: '' })
    t.equal((await world.addressesInUse()).length, count, 'without a list it frees nothing')
    await network.gc([kept])
    const left = results.flatMap(addressesOf).map(each => each.split('/')[0])
    t.same((await world.addressesInUse()).toSorted(), left.toSorted())
    await network.gc([])
    t.same((await world.addressesInUse()).length, 2, 'the other network is untouched')
    t.same(network.kept(), [])
    t.strictSame(await world.call('STATUS', version), { exitCode: 0, stdout: '', stderr: '' })
    await other.del(foreign)
    t.same(await world.leftOnNode(), [])
  })
}

/** Item 24. */
export function crowd(t: Test, world: CniWorld): void {
  t.test('a hundred pods at once, sixteen at a time', async t => {
    const network = world.network('1.1.0')
    const containers = await Promise.all(Array.from({ length: 100 }, () => world.container()))
    const each = async <T>(work: (container: Container) => Promise<T>): Promise<T[]> => {
      const queue = containers.values()
      const lane = async (): Promise<T[]> => {
        const done: T[] = []
        for (const container of queue) done.push(await work(container))
        return done
      }
      return (await Promise.all(Array.from({ length: 16 }, lane))).flat()
    }
    const results = await each(container => network.add(container))
    t.equal(new Set(results.flatMap(addressesOf)).size, 200, 'every address is given once')
    await each(container => network.del(container))
    t.same(await world.leftOnNode(), [])
  })
}

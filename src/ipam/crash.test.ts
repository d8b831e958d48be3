// Whatever dies when: no address is given twice, and none stays behind when its pod is gone (design, promise 4).

import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Version } from '../datastore/contract.ts'
import { StoreError } from '../datastore/contract.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { owner, pool, type TestNode, testNode } from './testing.ts'

const families = [4, 6] as const
const pools = () => [pool('v4', '10.42.0.0/27', { blockSize: 30 }), pool('v6', 'fd00::/123', { blockSize: 126 })]

t.test('a disk that dies at any step of ADD and DEL', async t => {
  for (const step of [0, 1, 2, 3, 4])
    for (const after of [false, true])
      for (const what of ['add', 'del'] as const)
        t.test(`${what}, ${after ? 'after' : 'before'} commit ${step}`, async t => {
          const datastore = new MemoryDatastore()
          let node = testNode('n1', datastore, pools())
          await node.ipam.load()
          const bystander = await node.ipam.assign({ ...owner('bystander'), families })
          for (const id of [1, 2, 3]) await node.ipam.assign({ ...owner(id), families }) // the block is full now
          node.disk.die(step, after)
          const call = what === 'add' ? node.ipam.assign({ ...owner(4), families }) : node.ipam.release(owner(1))
          const outcome = await call.then(
            () => 'done',
            (error: { code: string }) => error.code,
          )
          t.ok(['done', 'store-failed'].includes(outcome), outcome)

          node = node.restart()
          await node.ipam.load()
          if (outcome === 'done' && what === 'add')
            t.ok((await node.ipam.assign({ ...owner(4), families })).repeated, 'what was answered is on the disk')
          t.same((await node.ipam.assign({ ...owner('bystander'), families })).addresses, bystander.addresses)
          const fifth = await node.ipam.assign({ ...owner(5), families })
          t.not(fifth.addresses[0].address, bystander.addresses[0].address)
          unique(t, [node])
          for (const id of ['bystander', 1, 2, 3, 4, 5]) await node.ipam.release(owner(id))
          t.same(node.ipam.show().addresses, [], 'nothing stays behind')
        })
})

t.test('a disk that fails and mends without a restart', async t => {
  for (const after of [false, true]) {
    const node = testNode('n1', new MemoryDatastore(), pools())
    await node.ipam.load()
    await node.ipam.assign({ ...owner(1), families })
    node.disk.die(0, after)
    await t.rejects(node.ipam.assign({ ...owner(2), families }), { code: 'store-failed', message: 'the disk is dead' })
    node.disk.mend()
    await node.ipam.assign({ ...owner(3), families })
    t.equal((await node.ipam.assign({ ...owner(2), families })).repeated, after)
    unique(t, [node])
  }
})

type Step =
  | { readonly do: 'add' | 'del'; readonly node: number; readonly id: number }
  | { readonly do: 'die'; readonly node: number; readonly commit: number; readonly after: boolean }
  | { readonly do: 'restart' | 'tidy' | 'refresh'; readonly node: number }
  | { readonly do: 'lose-answer' | 'cut' | 'mend' }

const node = fc.integer({ min: 0, max: 2 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom('add', 'add', 'del'), node, id: fc.integer({ min: 0, max: 7 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('die'), node, commit: fc.integer({ min: 0, max: 3 }), after: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('restart', 'tidy', 'refresh'), node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('lose-answer', 'cut', 'mend') }) },
)

t.test('random histories: steps of one batch run at once', async t => {
  await fc.assert(fc.asyncProperty(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 25 }), history), {
    numRuns: 300,
  })
  t.pass('300 histories')

  async function history(batches: Step[][]): Promise<void> {
    const datastore = new ForgetfulDatastore()
    const shared = pools()
    let nodes = [0, 1, 2].map(i => testNode(`n${i}`, datastore, shared))
    /** Addresses that the runtime was told and has not given back. */
    const told = new Map<string, string>()
    for (const { ipam } of nodes) await ipam.load()

    const restart = async (i: number): Promise<void> => {
      nodes[i].disk.die(0, false) // the old process is no more
      nodes = nodes.with(i, nodes[i].restart())
      await nodes[i].ipam.load()
    }
    const run = async (step: Step): Promise<void> => {
      switch (step.do) {
        case 'cut':
          return datastore.fail('cut')
        case 'mend':
          return datastore.fail()
        case 'lose-answer':
          return datastore.loseNextAnswer()
        case 'die':
          return nodes[step.node].disk.die(step.commit, step.after)
        case 'restart':
          return restart(step.node)
        case 'tidy':
          await nodes[step.node].ipam.releaseEmptyBlocks(0)
          return
        case 'refresh':
          return nodes[step.node].ipam.refresh()
        case 'del':
          told.delete(`${step.node}/${step.id}`) // from here on the address may go
          await nodes[step.node].ipam.release(owner(step.id))
          return
        case 'add': {
          const key = `${step.node}/${step.id}`
          const { addresses } = await nodes[step.node].ipam.assign({ ...owner(step.id), families })
          const text = addresses.map(({ address }) => address).join(' ')
          if ((told.get(key) ?? text) !== text) throw new Error(`${key} had ${told.get(key)} and got ${text}`)
          told.set(key, text)
        }
      }
    }
    for (const batch of batches) {
      // A batch has at most one step an owner, so that the model knows what happened.
      const seen = new Set<string>()
      const steps = batch.filter(step => {
        const key = 'id' in step ? `${step.node}/${step.id}` : `${step.do}/${'node' in step ? step.node : ''}`
        return !seen.has(key) && seen.add(key)
      })
      for (const result of await Promise.allSettled(steps.map(run)))
        if (result.status === 'rejected' && !(result.reason as { code?: string }).code) throw result.reason
      const all = [...told.values()].flatMap(text => text.split(' '))
      if (new Set(all).size !== all.length) throw new Error(`an address was told twice: ${all.join(' ')}`)
    }
    datastore.fail()
    for (const [i] of nodes.entries()) await restart(i)
    for (const [key, text] of told) {
      const [i, id] = key.split('/')
      const { addresses } = await nodes[Number(i)].ipam.assign({ ...owner(id), families })
      if (addresses.map(({ address }) => address).join(' ') !== text) throw new Error(`${key} lost ${text}`)
    }
    unique(undefined, nodes)
    for (const { ipam } of nodes) for (let id = 0; id < 8; id++) await ipam.release(owner(id))
    for (const { ipam } of nodes) await ipam.releaseEmptyBlocks(0)
    const left = nodes.flatMap(({ ipam }) => [...ipam.show().addresses, ...ipam.owned()])
    if (left.length > 0) throw new Error(`left behind: ${JSON.stringify(left)}`)
    if ((await datastore.list('Block')).entries.length > 0) throw new Error('a block stayed claimed')
  }
})

/** No two rows of any nodes hold one address, and no two nodes one block. */
function unique(t: Test | undefined, nodes: readonly TestNode[]): void {
  const addresses = nodes.flatMap(({ ipam }) => ipam.show().addresses.map(row => row.address))
  const blocks = nodes.flatMap(({ ipam }) => ipam.owned().map(block => block.cidr))
  for (const list of [addresses, blocks])
    if (new Set(list).size !== list.length) throw new Error(`twice: ${list.join(' ')}`)
  t?.equal(new Set(addresses).size, addresses.length)
}

/** Does what it is told, and may then fail to say so. */
class ForgetfulDatastore extends MemoryDatastore {
  #lose = false

  override fail(reason?: string): void {
    super.fail(reason)
    this.#lose = false
  }

  loseNextAnswer(): void {
    this.#lose = true
  }

  override async create(kind: string, name: string, value: unknown): Promise<Version> {
    const version = await super.create(kind, name, value)
    this.#answer()
    return version
  }

  override async delete(kind: string, name: string, version?: Version): Promise<void> {
    await super.delete(kind, name, version)
    this.#answer()
  }

  #answer(): void {
    if (!this.#lose) return
    this.#lose = false
    throw new StoreError('unreachable', 'the answer was lost')
  }
}

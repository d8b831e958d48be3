// Host ends that go together.

import { hostMac } from '../../model/endpoint.ts'
import t from 'tap'
import type { Rtnetlink } from '../../../netlink/types.ts'
import { FakeKernel } from '../fake-kernel.ts'
import { KernelMirror } from '../mirror.ts'
import { defaultMark } from '../routes/route.ts'
import { DeviceDeletion } from './delete.ts'

const names = Array.from({ length: 7 }, (_, i) => `mgy0000000000${i}`)

function kernelWith(macs: readonly string[] = names.map(() => hostMac)): FakeKernel {
  const kernel = new FakeKernel()
  kernel.addNamespace('/pod')
  names.forEach((name, i) =>
    kernel.node.apply({
      do: 'link.add',
      link: { kind: 'veth', name, mac: macs[i], peer: { name: `p${i}`, netns: '/pod' } },
    }),
  )
  kernel.node.log.length = 0
  return kernel
}

const left = (kernel: FakeKernel): readonly string[] =>
  [...kernel.node.links].map(({ name }) => name).filter(name => name !== 'lo')

/** A kernel that deletes, and keeps its answer until `answered` resolves; how many sockets it was asked by. */
function answeringLate(kernel: FakeKernel, answered: () => Promise<void>): { sockets: number } {
  const count = { sockets: 0 }
  const open = kernel.open.bind(kernel)
  kernel.open = async (netns): Promise<Rtnetlink> => {
    const socket = await open(netns)
    count.sockets++
    return {
      ...socket,
      apply: async operations => {
        const results = await socket.apply(operations)
        if (operations.length > 0) await answered()
        return results
      },
    }
  }
  return count
}

t.test('those that are asked for while the first goes are one deletion', async t => {
  const kernel = kernelWith()
  const deletion = new DeviceDeletion(kernel)
  const outcomes = await Promise.all([...names, 'mgy00000000099'].map(name => deletion.delete(name)))
  t.same(outcomes, [...names.map(() => ({ ok: true, removed: true })), { ok: true, removed: false }])
  t.same(left(kernel), [])
  t.same(
    kernel.node.log.filter(operation => operation.do !== 'link.set').map(operation => operation.do),
    ['link.delete', 'links.delete'],
  )
  await deletion.close()
})

t.test('one that is not ours stays, whoever goes beside it', async t => {
  const kernel = kernelWith(names.map((_, i) => (i === 3 ? '02:00:00:00:00:01' : hostMac)))
  const deletion = new DeviceDeletion(kernel)
  const outcomes = await Promise.all(names.map(name => deletion.delete(name)))
  t.match(outcomes[3], { ok: false, error: { code: 'interface-exists', text: /not our MAC/ } })
  t.same(left(kernel), [names[3]])
})

t.test('a kernel that takes no group deletes one by one, and tells of the one that it keeps', async t => {
  const kernel = kernelWith()
  const kept = kernel.node.named(names[5])!.index
  kernel.node.refuse = operation =>
    operation.do === 'links.delete' || (operation.do === 'link.delete' && operation.link === kept) ? 'EPERM' : undefined
  const deletion = new DeviceDeletion(kernel)
  const outcomes = await Promise.all(names.map(name => deletion.delete(name)))
  t.match(outcomes[5], { ok: false, error: { code: 'kernel-refused', text: /EPERM.*try again/ } })
  t.equal(outcomes.filter(({ ok }) => ok).length, names.length - 1)
  t.same(left(kernel), [names[5]])
})

t.test(
  'a device is gone when the kernel tells so: its answer keeps neither who asked nor the next deletion',
  async t => {
    const kernel = kernelWith()
    await using node = await kernel.open()
    const mirror = await KernelMirror.open(node, defaultMark)
    const answer = Promise.withResolvers<void>()
    const asked = answeringLate(kernel, () => answer.promise)
    const deletion = new DeviceDeletion(kernel, mirror)
    t.same(await deletion.delete(names[0]), { ok: true, removed: true })
    t.same(left(kernel), names.slice(1))
    const outcomes = await Promise.all(names.slice(1, 4).map(name => deletion.delete(name)))
    t.same(
      outcomes,
      outcomes.map(() => ({ ok: true, removed: true })),
    )
    t.same(left(kernel), names.slice(4))
    t.equal(asked.sockets, 2, 'one for the first, one for those that were asked for meanwhile')
    let closed = false
    const closing = deletion.close().then(() => (closed = true))
    await new Promise(setImmediate)
    t.equal(closed, false, 'what the kernel has not answered is not over')
    answer.resolve()
    await closing
    await mirror.close()
  },
)

t.test('no more sockets wait for answers than a few, which serve again', async t => {
  const kernel = kernelWith()
  await using node = await kernel.open()
  const mirror = await KernelMirror.open(node, defaultMark)
  const answers: (() => void)[] = []
  const asked = answeringLate(kernel, () => new Promise(resolve => answers.push(resolve)))
  const deletion = new DeviceDeletion(kernel, mirror)
  for (const name of names.slice(0, 4)) t.match(await deletion.delete(name), { ok: true })
  const fifth = deletion.delete(names[4])
  await new Promise(setImmediate)
  t.same(left(kernel), names.slice(4), 'it waits for a socket')
  answers.shift()?.()
  t.same(await fifth, { ok: true, removed: true })
  t.equal(asked.sockets, 4)
  for (let i = 0; i < 4; i++) answers.shift()?.()
  await deletion.close()
  await mirror.close()
})

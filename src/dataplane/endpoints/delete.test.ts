// Host ends that go together.

import t from 'tap'
import { FakeKernel } from '../fake-kernel.ts'
import { DeviceDeletion } from './delete.ts'
import { hostMac } from './names.ts'

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

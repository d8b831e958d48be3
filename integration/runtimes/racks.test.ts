// Pods of real runtimes in two racks: containerd by CRI in both, runc in one; they reach each other across ToRs and spine.

import t from 'tap'
import { TestLab } from '../kit/lab.ts'
import { Containerd } from './kit/containerd.ts'
import { addressesIn, installOn, runtimeFolder } from './kit/installed.ts'
import { type Echo, reached } from './kit/reached.ts'
import { Runc } from './kit/runc.ts'

const folder = runtimeFolder(t)
const lab = await TestLab.up(t, { lab: 'two-racks' }, 'rt-racks')
const [near, far] = ['r1n1', 'r2n1']
const [nearCni, farCni] = [await installOn(lab, near, folder), await installOn(lab, far, folder)]
const runc = new Runc(t, lab, far, folder, farCni)
const nearContainerd = await Containerd.start(t, lab, near, nearCni)
const farContainerd = await Containerd.start(t, lab, far, farCni)

/** A container somewhere: its addresses, and a way to run a command in it. */
interface Box {
  readonly name: string
  readonly addresses: readonly string[]
  readonly ping: (address: string) => Promise<Echo>
}

async function cri(containerd: Containerd, name: string): Promise<Box> {
  const pod = containerd.pod(name)
  const sandbox = await containerd.run(pod)
  const container = await containerd.container(sandbox, pod)
  const { addresses } = await containerd.status(sandbox)
  return { name, addresses, ping: address => containerd.exec(container, 'ping', '-c1', '-W20', address) }
}

async function plain(name: string): Promise<Box> {
  const { id, ended } = await runc.run(name)
  if (ended.code !== 0) throw new Error(ended.stderr)
  const addresses = addressesIn((await runc.exec(id, 'ip', '-o', 'address', 'show', 'dev', 'eth0')).stdout)
  return { name, addresses, ping: address => runc.exec(id, 'ping', '-c1', '-W20', address) }
}

t.test('pods of containerd and runc reach each other, across racks and within one', async t => {
  await lab.established()
  const boxes = [await cri(nearContainerd, 'web'), await cri(farContainerd, 'db'), await plain('batch')]
  for (const box of boxes) t.equal(box.addresses.length, 2, `${box.name}: ${box.addresses.join(', ')}`)
  for (const from of boxes)
    for (const to of boxes.filter(each => each !== from))
      for (const address of to.addresses)
        await reached(`${from.name} → ${to.name} ${address}`, () => from.ping(address))
  for (const { name, addresses } of boxes)
    for (const address of addresses)
      await reached(`client outside → ${name} ${address}`, () => lab.tryExec('client', 'ping', '-c1', '-W20', address))
  t.pass('all echoes came back')
})

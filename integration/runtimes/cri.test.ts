// containerd under a kubelet: its CRI plugin, called as a kubelet calls it for one pod.

import t from 'tap'
import { eventually } from '../kit/lab.ts'
import { Containerd } from './kit/containerd.ts'
import { addressesIn, installed } from './kit/installed.ts'
import { reached } from './kit/reached.ts'

const { world, binDir, confDir } = await installed(t, 'cri')
const { lab, node, remote } = world
const containerd = await Containerd.start(t, lab, node, { binDir, confDir })

/** Pods that the node has given addresses, as `margayctl ipam show` names them. */
const given = async () => (await lab.ask(node, '/v1/ipam', {})).addresses

t.test('the node is ready for pods', async t => {
  const { status } = await containerd.cri.call('Status')
  t.match(
    status.conditions.find(each => each.type === 'NetworkReady'),
    { status: true },
  )
})

t.test("a pod from RunPodSandbox to RemovePodSandbox, in a kubelet's order", async t => {
  const pod = containerd.pod('web')
  const sandbox = await containerd.run(pod)
  const { state, addresses } = await containerd.status(sandbox)
  t.equal(state, 'SANDBOX_READY')
  t.equal(addresses.length, 2, `PodSandboxStatus shows both families: ${addresses.join(', ')}`)
  const records = await given()
  t.same(records.map(each => each.address).toSorted(), addresses.toSorted(), 'they are those that the node gave')
  for (const record of records) {
    t.equal(record.containerId, sandbox)
    t.match(JSON.stringify(record), 'web', 'and it knows the pod by its name')
  }

  const container = await containerd.container(sandbox, pod)
  const shown = (await containerd.exec(container, 'ip', '-o', 'address', 'show', 'dev', 'eth0')).text
  t.same(addressesIn(shown).toSorted(), addresses.toSorted(), 'a container of the pod has them')
  for (const target of ['10.8.0.11', ...Object.values(lab.addresses(remote.pod))])
    t.ok(await reached(`container → ${target}`, () => containerd.exec(container, 'ping', '-c1', '-W10', target)))
  for (const each of addresses) t.ok(await reached(`remote pod → ${each}`, () => world.ping(remote.pod, each)))

  await containerd.cri.call('StopPodSandbox', { podSandboxId: sandbox })
  t.match(await containerd.status(sandbox), { state: 'SANDBOX_NOTREADY', addresses: [] })
  t.same(await given(), [], 'a stopped pod has no address')
  await containerd.cri.call('StopPodSandbox', { podSandboxId: sandbox }).then(
    () => t.pass('a kubelet may stop it twice'),
    error => t.fail(String(error)),
  )
  await containerd.cri.call('RemovePodSandbox', { podSandboxId: sandbox })
  t.same((await containerd.cri.call('ListPodSandbox')).items, [])
  t.same(await world.leftOnNode(), [])
})

t.test('margayd is restarted while pods come and go', async t => {
  await lab.stop(node, 'margayd')
  // As a kubelet does: the same pod again, until it is there.
  const made = eventually(
    'the pod is made',
    async () => containerd.run(containerd.pod('late')).catch(() => undefined),
    180,
  )
  lab.startNode(node)
  const sandbox = await made
  t.equal((await containerd.status(sandbox)).addresses.length, 2)
  t.equal((await given()).length, 2, 'attempts that failed hold no address')

  await lab.stop(node, 'margayd')
  await containerd.cri.call('StopPodSandbox', { podSandboxId: sandbox })
  await containerd.cri.call('RemovePodSandbox', { podSandboxId: sandbox })
  lab.startNode(node)
  const left = async () => [...(await given()), ...(await world.leftOnNode())]
  await eventually(
    'what it had is free when margayd is back',
    async () => (await left().catch(() => ['no answer'])).length === 0,
    180,
  )
  t.same(await left(), [])
})

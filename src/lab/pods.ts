// Pods of a lab that is up: one more, one fewer.

import { removeNamespaces, makePodNamespace } from './network.ts'
import { attachPod, runtimeOf } from './nodes.ts'
import { LabError } from './output.ts'
import type { Programs } from './programs.ts'
import type { LabDir } from './state.ts'
import { netnsOf, type PodPlan } from './topology.ts'

/** Makes a namespace and attaches it by CNI ADD. */
export async function addPod(lab: LabDir, node: string, name: string, programs: Programs): Promise<PodPlan> {
  const pod: PodPlan = { name, node, netns: netnsOf(lab.name, name) }
  lab.writePods(pods => [...pods, pod])
  await makePodNamespace(pod.netns)
  await attachPod(lab, pod, programs)
  return pod
}

/** CNI DEL, then the namespace goes. */
export async function removePod(lab: LabDir, name: string, programs: Programs): Promise<void> {
  const pod = lab.read()?.topology.pods.find(pod => pod.name === name)
  if (!pod) throw new LabError(3, `Lab ${lab.name} has no pod ${name}.`)
  await runtimeOf(lab, pod.node, programs).del(name)
  await removeNamespaces([pod.netns])
  lab.writePods(pods => pods.filter(other => other.name !== name))
}

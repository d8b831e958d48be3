// The daemon of a node goes and comes back: nobody notices.

import type { ContinuityEvent } from '../kit/event.ts'
import { isItself, otherBuild, restart } from '../kit/restart.ts'

const kept = 'the kernel holds routes and pods, and peers keep the routes of the node for 120 s (graceful restart)'

export const stopped: ContinuityEvent = {
  name: 'daemon stopped and started',
  planned: true,
  keepsRoutes: true,
  bound: `${kept}; a stop ends sessions without a NOTIFICATION`,
  run: async scene => {
    for (const node of scene.fabric.nodes) await restart(scene, node, (lab, node) => lab.stop(node, 'margayd'))
  },
}

/** The other build stays until another restart. */
export const upgraded: ContinuityEvent = {
  name: 'upgraded to another build',
  planned: true,
  keepsRoutes: true,
  bound: `${kept}; the new build adopts what the old one left`,
  run: async scene => {
    const other = otherBuild(scene)
    for (const node of scene.fabric.nodes) await restart(scene, node, (lab, node) => lab.stop(node, 'margayd'), other)
  },
}

export const killed: ContinuityEvent = {
  name: 'daemon killed (kill -9)',
  planned: false,
  promised: true,
  keepsRoutes: true,
  bound: kept,
  run: async scene => {
    for (const node of scene.fabric.nodes) await restart(scene, node, (lab, node) => lab.kill(node, 'margayd'))
  },
}

/** Of a lab in which the reflectors are called rr1, rr2. */
export const reflectorsKilled: ContinuityEvent = {
  name: 'all reflectors killed at once',
  planned: false,
  promised: true,
  bound: 'each client keeps what a reflector told it for the 120 s that the reflector asks for (graceful restart)',
  run: async ({ t, lab, probe }) => {
    const isReflector = (node: string): boolean => node.startsWith('rr')
    const reflectors = lab.nodes.filter(isReflector)
    const clients = lab.nodes.filter(node => !isReflector(node)).map(node => [node, lab.losses(node)] as const)
    await Promise.all(reflectors.map(node => lab.kill(node, 'margayd')))
    await probe.passing(300)
    for (const node of reflectors) lab.startNode(node)
    for (const node of reflectors) await isItself(lab, node)
    for (const [node, losses] of clients) t.same(await losses.end(), [], `the kernel of ${node} lost no route`)
  },
}

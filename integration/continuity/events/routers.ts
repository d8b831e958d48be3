// Top-of-rack routers that die or restart.

import { isAlive } from '../../../src/lab/processes.ts'
import { eventually } from '../../kit/lab.ts'
import { bgpOf, routersOf } from '../kit/ask.ts'
import type { ContinuityEvent } from '../kit/event.ts'
import { useWays } from './links.ts'

const patience = 120

export const torRestarted: ContinuityEvent = {
  name: 'the only ToR restarted gracefully',
  planned: true,
  bound:
    'it asks its neighbours to keep its routes, and its kernel forwards meanwhile (graceful restart on both ends; BIRD: persist)',
  run: async ({ t, lab, probe }) => {
    const tor = lab.topology.routers.find(({ gracefulRestart }) => gracefulRestart)
    if (!tor) throw new Error('no router of the lab restarts gracefully')
    const watched = [
      tor.host,
      'spine',
      ...tor.neighbours.flatMap(({ name }) => (lab.nodes.includes(name) ? [name] : [])),
    ]
    const losses = watched.map(host => [host, lab.losses(host)] as const)
    const process = lab.process(tor.host, bgpOf(tor))
    await lab.exec(tor.host, 'birdc', 'graceful', 'restart')
    await eventually(`${tor.host} has stopped`, async () => !isAlive(process), patience)
    await probe.passing(300)
    await lab.startRouter(tor.host)
    await eventually(
      `${tor.host} has heard all again`,
      async () => {
        const { code, stdout } = await lab.tryExec(tor.host, 'birdc', 'show', 'status')
        return code === 0 && stdout.includes('Daemon is up') && !/recovery/i.test(stdout)
      },
      patience,
    )
    await lab.established()
    for (const [host, lost] of losses) t.same(await lost.end(), [], `the kernel of ${host} lost no route`)
  },
}

export const torKilled: ContinuityEvent = {
  name: 'the only ToR killed and started again',
  planned: false,
  bound:
    'the time until it is back and has its sessions: it asks nobody to keep its routes, and there is no other way; nodes dial every second (connectRetryTime)',
  run: async ({ lab, fabric, probe }) => {
    const [node] = fabric.nodes
    const [tor] = routersOf(lab, node)
    await lab.kill(tor.host, bgpOf(tor))
    await eventually(
      `${node} has lost its session with ${tor.host}`,
      async () => (await lab.ask(node, '/v1/bgp/summary', {})).peers.every(({ state }) => state !== 'Established'),
      patience,
    )
    await lab.startRouter(tor.host)
    await lab.established([node])
    await probe.steady()
    await lab.established()
  },
}

export const oneOfTwoTorsKilled: ContinuityEvent = {
  name: 'one of two ToRs killed and started again',
  planned: false,
  bound:
    'the end of its sessions, which its kernel tells at once, and BGP’s news of it through the spine; its kernel forwards with the routes of before',
  run: async scene => {
    const { lab, fabric, probe } = scene
    for (const node of fabric.nodes) {
      for (const tor of routersOf(lab, node)) {
        await lab.kill(tor.host, bgpOf(tor))
        await useWays(scene, node, 1)
        await probe.passing(300)
        await lab.startRouter(tor.host)
        await lab.established()
        await useWays(scene, node, 2)
      }
    }
  },
}

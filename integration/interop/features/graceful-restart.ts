// Graceful restart (RFC 4724), each end as the one that restarts: its routes stay while it is away, and what it does not announce
// again goes with its End-of-RIB.

import { ourRoutes, theirRoutes } from '../kit/cell.ts'
import type { Feature } from './feature.ts'

const gracefulRestart = { restartTime: 60 }

export const weHelp: Feature = {
  title: 'Graceful restart: the daemon restarts, we help (RFC 4724)',
  async run(cell) {
    const pair = await cell.pair({ our: { gracefulRestart }, their: { gracefulRestart } })
    const both = [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }]
    await cell.weHave(pair, both)
    await cell.until('it has said End-of-RIB', () => pair.ours.peer('daemon'), { endOfRib: ['ipv4-unicast'] })

    await pair.theirs.kill()
    await cell.until('it is away', async () => (await pair.ours.peer('daemon')).state === 'Established', false)
    await cell.weHave(
      pair,
      both.map(route => ({ ...route, stale: 'restart' as const })),
      'its routes stay while it is away',
    )
    await pair.theirs.restart(theirRoutes.slice(0, 1))
    await cell.isUp(pair)
    await cell.weHave(pair, [{ prefix: '10.2.0.0/24', stale: false }], 'its End-of-RIB takes what it has no more')
    const dropped = pair.ours.said().filter(text => text.includes('dropped'))
    if (!cell.t.same(dropped, [], 'nothing was dropped on the way')) cell.t.comment(pair.ours.said().join('\n'))
    await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }], 'it has our routes again')
  },
}

export const weRestart: Feature = {
  title: 'Graceful restart: we restart, the daemon helps',
  async run(cell) {
    const pair = await cell.pair({ our: { gracefulRestart }, their: { gracefulRestart } })
    const both = [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }]
    await cell.daemonHas(pair, both)
    await pair.ours.kill()
    await cell.until('it has seen us go', () => pair.theirs.session(pair.neighbour), { established: false })
    await cell.daemonHas(pair, both, 'our routes stay while we are away')

    const forwarding = { gracefulRestart: { ...gracefulRestart, forwarding: true } }
    const ours = await cell.startOurs(cell.ourConfig({ our: forwarding }), ourRoutes.slice(0, 1), { restart: true })
    const back = { ...pair, ours }
    await cell.isUp(back)
    await cell.weHave(back, [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }])
    await cell.daemonHas(back, both.slice(0, 1), 'our End-of-RIB takes what we have no more')
  },
}

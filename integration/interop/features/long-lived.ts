// Long-lived graceful restart (RFC 9494): when the restart time is over, routes stay as the last choice, marked LLGR_STALE.

import { theirRoutes } from '../kit/cell.ts'
import type { Feature } from './feature.ts'

const LLGR_STALE = '65535:6'
const gracefulRestart = { restartTime: 2, longLived: 120 }

export const weHelpLong: Feature = {
  title: 'Long-lived graceful restart: the daemon is long away (RFC 9494)',
  async run(cell) {
    const pair = await cell.pair({ our: { gracefulRestart }, their: { gracefulRestart } })
    await cell.weHave(pair, [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }])
    await cell.until('it has said End-of-RIB', () => pair.ours.peer('daemon'), { endOfRib: ['ipv4-unicast'] })
    await pair.theirs.kill()
    const old = { stale: 'long-lived', communities: [LLGR_STALE] }
    await cell.weHave(
      pair,
      [
        { ...old, prefix: '10.2.0.0/24' },
        { ...old, prefix: '10.2.1.0/26' },
      ],
      'its routes stay when its restart time is over',
    )
    await pair.theirs.restart(theirRoutes.slice(0, 1))
    await cell.isUp(pair)
    await cell.weHave(pair, [{ prefix: '10.2.0.0/24', stale: false, communities: [] }], 'it is back with what it has')
  },
}

export const weAreLongAway: Feature = {
  title: 'Long-lived graceful restart: we are long away',
  async run(cell) {
    const pair = await cell.pair({ our: { gracefulRestart }, their: { gracefulRestart } })
    const both = [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }]
    await cell.daemonHas(pair, both)
    await pair.ours.kill()
    await cell.daemonHas(
      pair,
      both.map(route => ({ ...route, communities: [LLGR_STALE] })),
      'our routes stay there when our restart time is over',
    )
    const forwarding = { gracefulRestart: { ...gracefulRestart, forwarding: true } }
    const ours = await cell.startOurs(cell.ourConfig({ our: forwarding }), [both[0]], { restart: true })
    await cell.isUp({ ...pair, ours })
    await cell.daemonHas(pair, [{ ...both[0], communities: [] }], 'we are back with what we have')
  },
}

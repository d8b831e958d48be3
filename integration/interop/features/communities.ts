// Large communities (RFC 8092) and GRACEFUL_SHUTDOWN (RFC 8326), both ways.

import type { Feature } from './feature.ts'

export const largeCommunities: Feature = {
  title: 'Large communities (RFC 8092)',
  async run(cell) {
    const pair = await cell.pair({
      ourRoutes: [{ prefix: '10.1.0.0/24', communities: ['65001:2:4294967295', '4200000001:1:1', '65001:20'] }],
      theirRoutes: [{ prefix: '10.2.0.0/24', largeCommunities: ['65002:1:4000000000', '4200000002:0:7'] }],
    })
    await cell.daemonHas(pair, [
      { prefix: '10.1.0.0/24', largeCommunities: ['65001:2:4294967295', '4200000001:1:1'], communities: ['65001:20'] },
    ])
    await cell.weHave(pair, [
      { prefix: '10.2.0.0/24', largeCommunities: ['65002:1:4000000000', '4200000002:0:7'], communities: [] },
    ])
  },
}

export const gracefulShutdown: Feature = {
  title: 'Graceful shutdown: GRACEFUL_SHUTDOWN sent and honoured (RFC 8326)',
  async run(cell) {
    const pair = await cell.pair({
      ourRoutes: [{ prefix: '10.1.0.0/24' }],
      theirRoutes: [{ prefix: '10.2.0.0/24', communities: ['65535:0'] }, { prefix: '10.2.1.0/26' }],
    })
    await cell.weHave(
      pair,
      [
        { prefix: '10.2.0.0/24', communities: ['65535:0'], localPref: 0 },
        { prefix: '10.2.1.0/26', communities: [] },
      ],
      'a route that goes soon is the last choice',
    )
    await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24', communities: [] }])
    const { flaps } = await pair.ours.peer('daemon')
    await pair.ours.configure(cell.ourConfig({ our: { gracefulShutdown: true } }))
    await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24', communities: ['65535:0'] }], 'it hears that we go soon')
    await cell.until('and the session stays', async () => (await pair.ours.peer('daemon')).flaps, flaps)
  },
}

// Extended messages (RFC 8654): a route with more attributes than 4,096 octets hold passes, both ways.

import type { Feature } from './feature.ts'

/** 1,500 communities are 6,000 octets. */
const many = (asn: number): readonly string[] => Array.from({ length: 1500 }, (_, i) => `${asn}:${i}`)

export const extendedMessages: Feature = {
  title: 'Extended messages: a route of more than 4,096 octets, both ways (RFC 8654)',
  async run(cell) {
    const pair = await cell.pair({
      theirNeighbour: { extendedMessages: true },
      ourRoutes: [{ prefix: '10.1.0.0/24', communities: many(65001) }, { prefix: '10.1.1.0/26' }],
      theirRoutes: [{ prefix: '10.2.0.0/24', communities: many(65002) }, { prefix: '10.2.1.0/26' }],
    })
    const agreed = { extendedMessages: true }
    const { flaps } = await cell.until('long messages are agreed on', () => pair.ours.peer('daemon'), agreed)
    await cell.weHave(pair, [
      { prefix: '10.2.0.0/24', communities: many(65002) },
      { prefix: '10.2.1.0/26', communities: [] },
    ])
    // BIRD shows the first forty or so.
    const shown = async () =>
      (await pair.theirs.routes()).map(({ prefix, communities }) => ({ prefix, communities: communities.slice(0, 40) }))
    await cell.until('the daemon has ours', shown, [
      { prefix: '10.1.0.0/24', communities: many(65001).slice(0, 40) },
      { prefix: '10.1.1.0/26', communities: [] },
    ])
    await cell.until('on one session', async () => (await pair.ours.peer('daemon')).flaps, flaps)
  },
}

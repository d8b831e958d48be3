// Shutdown communication (RFC 9003): the words of one operator are read by the other.

import type { Feature } from './feature.ts'

const words = 'maintenance at ten'

export const theirShutdown: Feature = {
  title: "Shutdown message: the daemon's words here (RFC 9003)",
  async run(cell) {
    const pair = await cell.pair({})
    await cell.weHave(pair, [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }])
    await pair.theirs.shutdown(pair.neighbour, words)
    await cell.weHave(pair, [], 'its routes go')
    await cell.until('its words are in our status', () => pair.ours.peer('daemon'), {
      lastError: new RegExp(`Administrative Shutdown: "${words}"`),
    })
  },
}

export const ourShutdown: Feature = {
  title: 'Shutdown message: our words there',
  async run(cell) {
    const pair = await cell.pair({})
    await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }])
    await pair.ours.disable('daemon', words)
    await cell.daemonHas(pair, [], 'our routes go')
    await cell.until('our words are shown there', () => pair.theirs.session(pair.neighbour), {
      text: new RegExp(words),
    })
  },
}

// Neighbours that nobody has written down: whoever connects from a prefix is one.

import { openPolicies, THEIR_AS } from '../kit/cell.ts'
import type { Feature } from './feature.ts'

const range = '10.99.0.0/24'

export const weListen: Feature = {
  title: 'Dynamic neighbour: the daemon connects from a prefix of ours',
  async run(cell) {
    const template = { remoteAs: THEIR_AS, ...openPolicies }
    const pair = await cell.start({ our: { peers: {}, dynamic: [{ name: 'anyone', prefix: range, template }] } })
    const name = `anyone/${cell.host('theirs').ipv4}`
    await cell.until('a peer is made', () => pair.ours.peers(), [{ name, state: 'Established' }])
    await cell.weHave(pair, [
      { prefix: '10.2.0.0/24', peer: name },
      { prefix: '10.2.1.0/26', peer: name },
    ])
    await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }])
    await pair.theirs.kill()
    await cell.weHave(pair, [], 'its routes go when it dies')
  },
}

export const theyListen: Feature = {
  title: 'Dynamic neighbour: we connect from a prefix of the daemon',
  async run(cell) {
    const pair = await cell.pair({ theirNeighbour: { range } })
    await cell.weHave(pair, [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }])
    await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }])
  },
}

// Roles and Only to Customer (RFC 9234): a pair of roles that does not go together is refused, and routes that went down to a
// customer are marked so that they cannot come up again.

import { OUR_AS, THEIR_AS } from '../kit/cell.ts'
import type { Feature } from './feature.ts'

export const rolesWeCustomer: Feature = {
  title: 'Roles: the daemon is our provider, after a wrong role was refused (RFC 9234)',
  async run(cell) {
    const wanted = { theirNeighbour: { role: 'provider' } } as const
    const pair = await cell.start({ ...wanted, ourPeer: { role: 'provider' } })
    await cell.until('two providers do not meet', () => pair.ours.peer('daemon'), { lastError: /role/i, flaps: 0 })
    await pair.ours.configure(cell.ourConfig({ ourPeer: { role: 'customer' } }))
    await cell.isUp(pair)
    await cell.weHave(pair, [
      { prefix: '10.2.0.0/24', onlyToCustomer: THEIR_AS },
      { prefix: '10.2.1.0/26', onlyToCustomer: THEIR_AS },
    ])
    await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }])
  },
}

export const rolesWeProvider: Feature = {
  title: 'Roles: we are its provider',
  async run(cell) {
    const pair = await cell.pair({ ourPeer: { role: 'provider' }, theirNeighbour: { role: 'customer' } })
    await cell.daemonHas(pair, [
      { prefix: '10.1.0.0/24', otc: OUR_AS },
      { prefix: '10.1.1.0/26', otc: OUR_AS },
    ])
    await cell.weHave(pair, [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }])
  },
}

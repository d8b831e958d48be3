// TCP-MD5 (RFC 2385) and GTSM (RFC 5082), whoever dials.

import type { Cell, Wanted } from '../kit/cell.ts'
import type { Feature } from './feature.ts'

/** Once with each end as the one that dials. */
async function whoeverDials(cell: Cell, wanted: Wanted): Promise<void> {
  const pair = await cell.pair({ ...wanted, theirNeighbour: { ...wanted.theirNeighbour, passive: true } })
  await routesGoBothWays(cell, pair, 'we dial')
  await Promise.all([pair.ours.kill(), pair.theirs.kill()])
  const again = await cell.pair({ ...wanted, ourPeer: { ...wanted.ourPeer, passive: true } })
  await routesGoBothWays(cell, again, 'it dials')
}

async function routesGoBothWays(cell: Cell, pair: Awaited<ReturnType<Cell['pair']>>, who: string): Promise<void> {
  await cell.weHave(pair, [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }], `${who}: we have its routes`)
  await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }], `${who}: it has ours`)
}

export const tcpMd5: Feature = {
  title: 'TCP-MD5 (RFC 2385)',
  run: cell =>
    whoeverDials(cell, { ourPeer: { secret: 'correct-horse' }, theirNeighbour: { secret: 'correct-horse' } }),
}

export const gtsm: Feature = {
  title: 'GTSM (RFC 5082)',
  run: cell => whoeverDials(cell, { ourPeer: { ttlSecurity: 1 }, theirNeighbour: { ttlSecurity: true } }),
}

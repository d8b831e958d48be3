// TCP-MD5 (RFC 2385) and GTSM (RFC 5082), with each end as the one that dials.

import type { Cell, Wanted } from '../kit/cell.ts'
import type { Feature } from './feature.ts'

const secret = 'correct-horse'
const keys: Wanted = { ourPeer: { secret }, theirNeighbour: { secret } }
const ttls: Wanted = { ourPeer: { ttlSecurity: 1 }, theirNeighbour: { ttlSecurity: true } }

async function weDial(cell: Cell, wanted: Wanted): Promise<void> {
  const pair = await cell.pair({ ...wanted, theirNeighbour: { ...wanted.theirNeighbour, passive: true } })
  await routesGoBothWays(cell, pair, 'we dial')
  await Promise.all([pair.ours.kill(), pair.theirs.kill()])
}

async function theyDial(cell: Cell, wanted: Wanted): Promise<void> {
  const pair = await cell.pair({ ...wanted, ourPeer: { ...wanted.ourPeer, passive: true } })
  await routesGoBothWays(cell, pair, 'it dials')
}

async function routesGoBothWays(cell: Cell, pair: Awaited<ReturnType<Cell['pair']>>, who: string): Promise<void> {
  await cell.weHave(pair, [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }], `${who}: we have its routes`)
  await cell.daemonHas(pair, [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }], `${who}: it has ours`)
}

export const md5WeDial: Feature = { title: 'TCP-MD5, we dial (RFC 2385)', run: cell => weDial(cell, keys) }
export const md5TheyDial: Feature = { title: 'TCP-MD5, the daemon dials', run: cell => theyDial(cell, keys) }

export const gtsmWeDial: Feature = { title: 'GTSM, we dial (RFC 5082)', run: cell => weDial(cell, ttls) }
export const gtsmTheyDial: Feature = { title: 'GTSM, the daemon dials', run: cell => theyDial(cell, ttls) }

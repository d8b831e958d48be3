// ADD-PATH (RFC 7911): two paths to one prefix, the own one and one of a third speaker, pass the session side by side, and go one
// by one.

import { type Cell, openPolicies, OUR_AS, THEIR_AS, THIRD_AS } from '../kit/cell.ts'
import type { Neighbour } from '../kit/daemon.ts'
import type { Ours } from '../kit/ours.ts'
import type { Feature } from './feature.ts'

const prefix = '10.5.0.0/24'

function startThird(cell: Cell, address: string, remoteAs: number): Promise<Ours> {
  const peers = { middle: { address, remoteAs, connectRetry: 1, ...openPolicies } }
  const config = { asn: THIRD_AS, routerId: cell.host('third').ipv4, peers }
  return cell.startOurs(config, [{ prefix }], { on: 'third' })
}

export const addPathSend: Feature = {
  title: 'ADD-PATH: we send several paths (RFC 7911)',
  async run(cell) {
    const { third } = cell.lan.hosts
    const ourPeer = { addPath: { 'ipv4-unicast': { send: 'all' } } } as const
    const { peers } = cell.ourConfig({ ourPeer })
    const pair = await cell.pair({
      ourRoutes: [{ prefix }],
      our: {
        peers: { ...peers, third: { address: third.ipv4, remoteAs: THIRD_AS, connectRetry: 1, ...openPolicies } },
      },
      theirNeighbour: { addPath: 'receive' },
    })
    const other = await startThird(cell, cell.host('ours').ipv4, OUR_AS)
    const own = { prefix, asPath: `${OUR_AS}` }
    const learned = { prefix, asPath: `${OUR_AS} ${THIRD_AS}` }
    await cell.daemonHas(pair, [own, learned], 'the daemon has both paths')
    await other.kill()
    await cell.daemonHas(pair, [own], 'one of them goes')
    await pair.ours.originate([])
    await cell.daemonHas(pair, [], 'and the other')
  },
}

export const addPathReceive: Feature = {
  title: 'ADD-PATH: the daemon sends several paths',
  async run(cell) {
    const { theirs, third } = cell.lan.hosts
    const plan = cell.theirPlan({ theirNeighbour: { addPath: 'send', transit: true } })
    const behind: Neighbour = {
      address: third.ipv4,
      asn: THIRD_AS,
      local: theirs.ipv4,
      families: ['ipv4-unicast'],
      passive: true,
    }
    const { hasRib = true } = cell.daemon
    const pair = await cell.pair({
      ourRoutes: [],
      ourPeer: { addPath: { 'ipv4-unicast': { receive: true } } },
      their: {
        neighbours: hasRib ? [plan.neighbours[0], behind] : plan.neighbours,
        routes: hasRib ? [{ prefix }] : [{ prefix }, { prefix, path: [THEIR_AS] }],
      },
    })
    const other = hasRib ? await startThird(cell, theirs.ipv4, THEIR_AS) : undefined
    const own = { prefix, asPath: `${THEIR_AS}` }
    const learned = { prefix, asPath: `${THEIR_AS} ${hasRib ? THIRD_AS : THEIR_AS}` }
    const received = () => pair.ours.received('daemon')
    await cell.until('we have both paths', received, [own, learned])
    await cell.weHave(pair, [own], 'the shorter one is best')
    if (other) await other.kill()
    else await pair.theirs.originate([{ prefix }])
    await cell.until('one of them goes', received, [own])
  },
}

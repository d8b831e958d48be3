// Route refresh (RFC 2918), asked for by each end.

import { ourRoutes } from '../kit/cell.ts'
import type { Feature } from './feature.ts'

export const theyRefresh: Feature = {
  title: 'Route refresh: the daemon asks (RFC 2918)',
  async run(cell) {
    const pair = await cell.pair({})
    const ours = [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }]
    await cell.daemonHas(pair, ours)
    const { updatesOut } = await pair.ours.peer('daemon')
    await pair.theirs.refresh(pair.neighbour)
    const sentAgain = async () => (await pair.ours.peer('daemon')).updatesOut > updatesOut
    await cell.until('we send our routes again', sentAgain, true)
    await cell.daemonHas(pair, ours, 'it still has all of them')
    cell.t.equal((await pair.ours.peer('daemon')).flaps, 0, 'on the same session')
    await pair.ours.originate(ourRoutes.slice(1))
    await cell.daemonHas(pair, ours.slice(1), 'and takes changes afterwards')
  },
}

export const weRefresh: Feature = {
  title: 'Route refresh: we ask',
  async run(cell) {
    const theirRoutes = [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26', path: [65001] }]
    const pair = await cell.pair({ theirRoutes })
    const good = { prefix: '10.2.0.0/24', asPath: '65002' }
    await cell.weHave(pair, [good], 'a path with our own AS is not used')
    await pair.ours.configure(cell.ourConfig({ ourPeer: { allowAsIn: 1 } }))
    await cell.weHave(pair, [good, { prefix: '10.2.1.0/26', asPath: '65002 65001' }], 'allowed, it comes again')
    cell.t.equal((await pair.ours.peer('daemon')).flaps, 0, 'on the same session')
  },
}

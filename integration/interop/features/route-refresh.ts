// Route refresh (RFC 2918), asked for by each end.

import { ourRoutes, theirRoutes } from '../kit/cell.ts'
import type { Feature } from './feature.ts'

export const theyRefresh: Feature = {
  title: 'Route refresh: the daemon asks (RFC 2918)',
  async run(cell) {
    const pair = await cell.pair({})
    const ours = [{ prefix: '10.1.0.0/24' }, { prefix: '10.1.1.0/26' }]
    await cell.daemonHas(pair, ours)
    const { updatesOut, flaps } = await pair.ours.peer('daemon')
    await pair.theirs.refresh(pair.neighbour)
    const sentAgain = async () => (await pair.ours.peer('daemon')).updatesOut > updatesOut
    await cell.until('we send our routes again', sentAgain, true)
    await cell.daemonHas(pair, ours, 'it still has all of them')
    await cell.until('on the same session', async () => (await pair.ours.peer('daemon')).flaps, flaps)
    await pair.ours.originate(ourRoutes.slice(1))
    await cell.daemonHas(pair, ours.slice(1), 'and takes changes afterwards')
  },
}

export const weRefresh: Feature = {
  title: 'Route refresh: we ask',
  async run(cell) {
    const pair = await cell.pair({})
    const theirs = [{ prefix: '10.2.0.0/24' }, { prefix: '10.2.1.0/26' }]
    await cell.weHave(pair, theirs)
    const { updatesIn, flaps } = await pair.ours.peer('daemon')
    await pair.ours.refresh('daemon')
    const sentAgain = async () => (await pair.ours.peer('daemon')).updatesIn > updatesIn
    await cell.until('it sends its routes again', sentAgain, true)
    await cell.weHave(pair, theirs, 'we still have all of them')
    await cell.until('on the same session', async () => (await pair.ours.peer('daemon')).flaps, flaps)
    await pair.theirs.originate(theirRoutes.slice(1))
    await cell.weHave(pair, theirs.slice(1), 'and take changes afterwards')
  },
}

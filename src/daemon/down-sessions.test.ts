import t from 'tap'
import { downSessions } from './down-sessions.ts'

const peer = (name: string, state: 'Connect' | 'Established' = 'Connect', lastError?: string) => ({
  name,
  address: '10.0.0.1',
  state,
  ...(lastError !== undefined && { lastError }),
})

t.test('a few are told one by one', async t => {
  t.same(downSessions([peer('a', 'Established'), peer('b'), peer('c', 'Connect', 'refused')]), [
    'session b (10.0.0.1) is Connect: it has not come up yet',
    'session c (10.0.0.1) is Connect: refused',
  ])
})

t.test('thousands are counted, and a router is not lost among the nodes of a mesh', async t => {
  const mesh = Array.from({ length: 5_000 }, (_, i) => peer(`mesh/n${i}`))
  const said = downSessions([...mesh, peer('tor'), peer('up', 'Established')])
  t.equal(said.length, 11)
  t.match(said[0], /^5001 of 5002 sessions are down, of which 10 are listed; margayctl bgp summary has all$/)
  t.match(said[1], /^session tor /)
})

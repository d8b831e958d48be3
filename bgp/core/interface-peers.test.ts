// Peers that are configured by interface: dialed where a neighbour is found, let in from there, moved with it.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { PeerConfig } from '../types.ts'
import { checkConfig } from './check.ts'
import { config, established, speaker } from './test-speakers.ts'

const OURS = 'fe80::1%eth0'
const peer = { interface: 'eth0', address: undefined, remoteAs: 'external' as const }
const id = (n: number) => ({ routerId: `10.0.0.${n}` })

function stage(more: Partial<PeerConfig> = {}) {
  const net = new Simulation(1)
  const a = speaker(net, OURS, 65001, { tor: { ...peer, ...more } }, id(1))
  const other = (n: number) =>
    speaker(net, `fe80::${n}%eth0`, 65002, { [OURS]: { remoteAs: 65001, passive: true } }, id(n))
  const find = (address: string | undefined) => a.driver.with(engine => engine.setNeighbour('eth0', address))
  // `speaker` names peers by address; this one has none.
  const name = a.engine.status()[0].name
  return { net, a, other, find, name }
}

t.test('nobody is dialed before somebody is found; then at once', t => {
  const { net, a, other, find, name } = stage()
  const b = other(2)
  net.run(60)
  t.match(a.peer(name), { state: 'Active', address: '%eth0' })
  find('fe80::2')
  net.run(0.5)
  t.ok(established([a, name], [b, OURS]))
  t.match(a.peer(name), { address: 'fe80::2%eth0', remoteAs: 65002, extendedNextHop: true })
  a.originate('10.1.0.0/24')
  net.run(5)
  t.same(b.best(), ['10.1.0.0/24 via fe80::1%eth0 [65001]'])
  t.end()
})

t.test('whoever connects is let in if it is the neighbour that was found, on that link', t => {
  const { net, a, find, name } = stage({ passive: true })
  const b = speaker(net, 'fe80::2%eth0', 65002, { [OURS]: 65001 }, id(2))
  const c = speaker(net, 'fe80::2%eth1', 65002, { [OURS]: 65001 }, id(3))
  net.run(10)
  t.not(b.peer(OURS).state, 'Established', 'not found yet: it may be anybody')
  find('fe80::2')
  net.run(20)
  t.ok(established([a, name], [b, OURS]))
  t.not(c.peer(OURS).state, 'Established', 'the same address on another link is somebody else')
  t.end()
})

t.test('a neighbour that is another one, or gone: a session goes on, an attempt does not', t => {
  const { net, a, other, find, name } = stage({ holdTime: 9 })
  const b = other(2)
  find('fe80::2')
  net.run(5)
  find(undefined)
  net.run(5)
  a.configure(config(OURS, 65001, { tor: { ...peer, holdTime: 9, description: 'x' } }, id(1)))
  net.run(5)
  t.match(
    a.peer(name),
    { state: 'Established', flaps: 0 },
    'that nobody is seen ends nothing, nor does a new configuration',
  )
  find('fe80::3')
  const c = other(3)
  net.run(5)
  t.match(a.peer(name), { state: 'Established', flaps: 0 })
  b.kill()
  net.run(30)
  t.ok(established([c, OURS]), 'when it ends by itself, the one that is there now is dialed')
  c.kill()
  find(undefined)
  net.run(30)
  t.match(a.peer(name), { state: 'Active', address: '%eth0' })
  t.end()
})

t.test('what cannot be meant is refused', t => {
  const refused = (one: Partial<PeerConfig>, two?: Partial<PeerConfig>) => {
    const peers = new Map([['tor', { ...peer, ...one } as PeerConfig]])
    if (two) peers.set('other', { ...peer, ...two })
    return checkConfig({ ...config(OURS, 65001, {}, id(1)), peers }).map(({ field, reason }) => `${field}: ${reason}`)
  }
  t.same(refused({}), [])
  t.match(refused({ address: '10.0.0.2' }), [/interface: the address 10.0.0.2 is given as well/])
  t.match(refused({ interface: undefined }), [/address: it is no IP address/])
  t.match(refused({ interface: 'a/b' }), [/interface: it is no name of a link/])
  t.match(refused({ localAddress: '10.0.0.1' }), [/localAddress: the session uses the link-local/])
  t.match(refused({}, {}), [/interface: peer "tor" has it too/])
  t.match(refused({ interface: undefined, address: 'fe80::2' }), [/address: a link-local address says nothing/])
  t.end()
})

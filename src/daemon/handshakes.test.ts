import t, { type Test } from 'tap'
import type { WireguardPeer } from '../../netlink/generic/wireguard-types.ts'
import { nextTurn } from '../dataplane/clock.ts'
import { HandClock } from '../dataplane/fake-world.ts'
import type { Tunnel } from '../model/tunnel.ts'
import { Handshakes } from './handshakes.ts'

const nodeOf = (node: string) => ({ node, publicKey: `key of ${node}`, address: '10.0.1.8', allowedIps: [] })
const tunnel: Tunnel = {
  kind: 'wireguard',
  family: 4,
  device: 'margay-wg4',
  local: '10.0.1.7',
  remotes: [],
  pools: [],
  nodes: [nodeOf('n2'), nodeOf('n3')],
}
const peer = (node: string, lastHandshake?: number): WireguardPeer => ({
  publicKey: `key of ${node}`,
  keepalive: 0,
  allowedIps: [],
  received: 0,
  sent: 0,
  ...(lastHandshake !== undefined && { lastHandshake }),
})

async function world(t: Test, peers: readonly WireguardPeer[]) {
  const clock = new HandClock()
  const state = { peers, met: 0, calls: [] as string[], reads: 0 }
  const handshakes = new Handshakes({
    wireguard: async name => {
      state.reads++
      return { name, port: 51820, peers: state.peers }
    },
    call: async (device, publicKeys) => void state.calls.push(`${device}: ${publicKeys.join()}`),
    onMet: () => state.met++,
    clock,
  })
  t.teardown(() => handshakes.close())
  await handshakes.look([tunnel])
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    for (let i = 0; i < 10; i++) await nextTurn()
  }
  return { handshakes, state, pass }
}

t.test('who has shaken hands is met, and the plan is told of who does later', async t => {
  const { handshakes, state, pass } = await world(t, [peer('n2', 1), peer('n3')])
  t.same(handshakes.of(tunnel), ['n2'])
  await pass(100)
  t.equal(state.met, 0, 'nothing new')
  state.peers = [peer('n2', 1), peer('n3', 2)]
  await pass(200)
  t.same(handshakes.of(tunnel), ['n2', 'n3'])
  t.equal(state.met, 1)
  const { reads } = state
  await pass(60_000)
  t.equal(state.reads, reads, 'with everybody met there is nothing to look for')
})

t.test('a node that was met and has a new key stays met: its packets never go a way without encryption', async t => {
  const { handshakes, state } = await world(t, [peer('n2', 1), peer('n3', 1)])
  t.same(handshakes.of(tunnel), ['n2', 'n3'])
  const rotated = { ...tunnel, nodes: [nodeOf('n2'), { ...nodeOf('n3'), publicKey: 'another' }] }
  state.peers = [peer('n2', 1)]
  await handshakes.look([rotated])
  t.same(handshakes.of(rotated), ['n2', 'n3'])
  await handshakes.look([{ ...tunnel, nodes: [nodeOf('n2')] }])
  await handshakes.look([rotated])
  t.same(handshakes.of(rotated), ['n2'], 'one that was gone is another')
})

t.test('who does not answer is called again, seldom', async t => {
  const { state, pass } = await world(t, [peer('n2', 1), peer('n3')])
  for (let seconds = 0; seconds < 60; seconds++) await pass(1_000)
  t.same([...new Set(state.calls)], ['margay-wg4: key of n3'])
  t.ok(state.calls.length <= 4, `${state.calls.length} calls in a minute`)
})

t.test('other kinds have no keys', async t => {
  const { handshakes, state } = await world(t, [])
  const reads = state.reads
  const vxlan: Tunnel = { kind: 'vxlan', family: 4, device: 'margay-vxlan4', local: '', remotes: [], pools: [] }
  await handshakes.look([vxlan])
  t.equal(handshakes.of(vxlan), undefined)
  t.equal(state.reads, reads)
})

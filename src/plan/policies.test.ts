import t from 'tap'
import { parsePrefix, contains } from '../../inet/index.ts'
import type { Match, Policy } from '../../bgp/types.ts'
import { plan } from './planner.ts'
import type { Snapshot } from './snapshot.ts'
import { fullMesh, node, peer, pool, reflectors, twoRacks } from './testing.ts'

interface Route {
  readonly prefix: string
  readonly source: 'local' | 'ibgp' | 'ebgp'
}

/** What the policy does to a route, as the speaker reads it. */
function verdict(given: Policy | readonly Policy[] | undefined, route: Route): string {
  const policy = given && 'rules' in given ? given : undefined
  const rule = policy?.rules.find(each => holds(each.when ?? {}, route))
  return [rule?.then ?? policy?.otherwise, rule?.set?.nextHop].filter(Boolean).join(' ')
}

function holds({ prefixes, source }: Match, route: Route): boolean {
  const prefix = parsePrefix(route.prefix)!
  const inRange = prefixes?.some(range => {
    const around = parsePrefix(range.prefix)!
    return (
      contains(around, prefix) &&
      prefix.length >= (range.min ?? around.length) &&
      prefix.length <= (range.max ?? around.length)
    )
  })
  return (inRange ?? true) && (source?.includes(route.source) ?? true)
}

const peerOf = (snapshot: Snapshot, who: string, name: string) => plan(snapshot, who).speaker?.peers.get(name)

t.test('import', async t => {
  const willing = {
    ...twoRacks,
    bgpPeers: [peer('tor-r1', { peerIP: '10.0.1.1', asNumber: 65001, acceptDefaultRoute: true })],
  }
  for (const [name, snapshot, prefix, want] of [
    ["another rack's block", twoRacks, '10.42.7.0/26', 'accept'],
    ['a network outside', twoRacks, '192.0.2.0/24', 'accept'],
    ['an own block', twoRacks, '10.42.0.0/26', 'reject'],
    ['a host inside an own block', twoRacks, '10.42.0.9/32', 'reject'],
    ['a host inside an own IPv6 block', twoRacks, 'fd00:42::9/128', 'reject'],
    ['the whole pool', twoRacks, '10.42.0.0/16', 'accept'],
    ["a neighbour's block", twoRacks, '10.42.0.64/26', 'accept'],
    ['a default route', twoRacks, '0.0.0.0/0', 'reject'],
    ['an IPv6 default route', twoRacks, '::/0', 'reject'],
    ['a default route where the peer may give one', willing, '0.0.0.0/0', 'accept'],
    ['half of a default route is an ordinary one', twoRacks, '0.0.0.0/1', 'accept'],
  ] as const)
    t.equal(verdict(peerOf(snapshot, 'r1-n1', 'tor-r1')?.import, { prefix, source: 'ebgp' }), want, name)
  t.equal(plan(twoRacks, 'r1-n1').routes.acceptDefault, false)
  t.equal(plan(willing, 'r1-n1').routes.acceptDefault, true)
})

t.test('export', async t => {
  const block = '10.42.7.0/26'
  const outside = '192.0.2.0/24'
  const eastWest: Snapshot = {
    ...fullMesh,
    nodes: [...fullMesh.nodes, node('z', { ipv4Address: '10.0.0.99/24', asNumber: 65009 })],
  }
  const reflectorWithTor = {
    ...reflectors,
    bgpPeers: [...reflectors.bgpPeers, peer('tor', { node: 'rr1', peerIP: '10.0.0.254', asNumber: 65001 })],
  }
  const keeping = {
    ...reflectors,
    bgpPeers: [peer('frr', { peerIP: '10.0.0.1', asNumber: 64512, nextHopMode: 'Keep' })],
  }
  for (const [name, snapshot, who, to, source, prefix, want] of [
    ['own blocks to the ToR', twoRacks, 'r1-n1', 'tor-r1', 'local', block, 'accept'],
    ['nothing learned to the ToR', twoRacks, 'r1-n1', 'tor-r1', 'ebgp', block, 'reject'],
    ['own blocks to a ToR of the same AS', twoRacks, 'r2-n1', 'tor-r2', 'local', block, 'accept'],
    ['nothing learned by eBGP into the mesh', fullMesh, 'n1', 'mesh/n2', 'ebgp', outside, 'reject'],
    ["nothing of others over the mesh's eBGP", eastWest, 'z', 'mesh/n1', 'ebgp', block, 'reject'],
    ['nor back', eastWest, 'n1', 'mesh/z', 'ibgp', block, 'reject'],
    ['a reflector passes on what clients announce', reflectors, 'rr1', 'reflectors/n1', 'ibgp', outside, 'accept'],
    ['and what its ToR does, through itself', reflectorWithTor, 'rr1', 'reflectors/n1', 'ebgp', outside, 'accept self'],
    ['unless the next hop is to be kept', keeping, 'rr1', 'frr', 'ebgp', outside, 'accept'],
    ["and tells its ToR of its clients' blocks", reflectorWithTor, 'rr1', 'tor', 'ibgp', block, 'accept'],
    ['but makes no transit of the rest', reflectorWithTor, 'rr1', 'tor', 'ibgp', outside, 'reject'],
    ['nor of what it learned by eBGP', reflectorWithTor, 'rr1', 'tor', 'ebgp', block, 'reject'],
    ['a client tells its reflectors its own', reflectors, 'n1', 'reflectors/rr1', 'local', block, 'accept'],
    ['and nothing else', reflectors, 'n1', 'reflectors/rr1', 'ibgp', block, 'reject'],
  ] as const)
    t.equal(verdict(peerOf(snapshot, who, to)?.export, { prefix, source }), want, name)
})

t.test('sessions with equal policies share one object', async t => {
  const peers = [...(plan(fullMesh, 'n1').speaker?.peers.values() ?? [])]
  t.equal(peers[0].export, peers[1].export)
  t.equal(peers[0].import, peers[1].import)
})

t.test('a pool that is not to be announced is not', async t => {
  const quiet = {
    ...twoRacks,
    pools: [pool('v4', '10.42.0.0/16', { disableBGPExport: true }), pool('v6', 'fd00:42::/112')],
  }
  const { originate, unreachable, routes } = plan(quiet, 'r1-n1')
  t.same(originate, [{ prefix: 'fd00:42::/122' }])
  t.same(unreachable, ['10.42.0.0/26', 'fd00:42::/122'], 'but its blocks are still ours')
  t.same(routes.own, ['10.42.0.0/26', 'fd00:42::/122'])
})

import t from 'tap'
import type { PeerConfig } from '../../bgp/types.ts'
import { blocksAwaited, handoverDeadline, type HandoverView, planHandover, sessionsDigest } from './handover.ts'
import { createPlanner } from './planner.ts'
import { bgpSettings } from './settings.ts'
import { nodeSpeakers } from './speakers.ts'
import { configuration, reflectors } from './testing.ts'

const peersOf = (snapshot: typeof reflectors): ReadonlyMap<string, PeerConfig> =>
  createPlanner('n1').plan(snapshot).speaker!.peers
const wanted = peersOf(reflectors)
const mesh = { ...reflectors, bgpPeers: [], bgpConfigurations: [configuration({ nodeToNodeMeshEnabled: true })] }
const families = ['ipv4-unicast'] as const
const up = (name: string) => ({
  name,
  state: 'Established' as const,
  families,
  endOfRib: families,
  gracefulRestart: true,
})
const said = (node: string, inSync: string, done: string) => ({ node, inSync, done })

const view: HandoverView = {
  digest: 'new',
  before: peersOf(mesh),
  wanted,
  nodes: new Set(['10.0.0.2', '10.0.0.3', '10.0.0.11', '10.0.0.12']),
  statuses: [...wanted.keys()].map(up),
  others: [said('n2', 'new', 'new')],
  loneBlock: () => undefined,
  since: 1,
  allInSync: 0,
}

t.test('a mesh gives way to reflectors when all nodes have what they need', async t => {
  t.same([...view.before.keys()], ['mesh/n2'])
  const stays = ['mesh/n2']
  for (const c of [
    { name: 'all have it', change: {}, kept: [], isInSync: true, isDone: true },
    {
      name: 'no new session is up',
      change: { statuses: [] },
      kept: stays,
      isInSync: false,
      isDone: false,
      waits: /until reflectors\/rr1/,
    },
    {
      name: 'a reflector has not told all',
      change: { statuses: view.statuses.map(each => ({ ...each, endOfRib: [] })) },
      kept: stays,
      isInSync: false,
      isDone: false,
    },
    {
      name: 'nothing takes their place yet',
      change: { wanted: new Map() },
      kept: stays,
      isInSync: false,
      isDone: false,
    },
    {
      name: 'another node is not in sync',
      change: { others: [said('n2', 'old', 'old')] },
      kept: stays,
      isInSync: true,
      isDone: false,
      waits: /nodes n2/,
    },
    {
      name: 'many other nodes are not in sync: how many is told',
      change: { others: Array.from({ length: 8 }, (_, i) => said(`m${i}`, 'old', 'old')) },
      kept: stays,
      isInSync: true,
      isDone: false,
      waits: /nodes m0, m1, m2, m3, m4 and 3 more have changed/,
    },
    {
      name: 'another node needs its sessions still',
      change: { others: [said('n2', 'new', 'old')] },
      kept: stays,
      isInSync: true,
      isDone: true,
      waits: /nodes n2/,
    },
    {
      name: 'a block comes by the mesh alone',
      change: { loneBlock: () => '10.42.7.0/26' },
      kept: stays,
      isInSync: true,
      isDone: false,
      waits: /another way to 10\.42\.7\.0\/26/,
    },
    {
      name: 'and so it stays: that is meant',
      change: { loneBlock: () => '10.42.7.0/26', allInSync: blocksAwaited },
      kept: [],
      isInSync: true,
      isDone: true,
    },
    {
      name: 'a node that is off is not waited for for ever',
      change: { others: [said('n2', 'old', 'old')], since: handoverDeadline },
      kept: [],
      isInSync: true,
      isDone: false,
    },
    {
      name: 'the other end is a node no more',
      change: { nodes: new Set(['10.0.0.2', '10.0.0.3']), statuses: [] },
      kept: [],
      isInSync: false,
      isDone: false,
    },
  ]) {
    const { kept, isInSync, isDone, waits } = planHandover({ ...view, ...c.change })
    t.same({ kept, isInSync, isDone }, { kept: c.kept, isInSync: c.isInSync, isDone: c.isDone }, c.name)
    t.equal(waits.length, c.kept.length > 0 ? 1 : 0, c.name)
    if (c.waits) t.match(waits[0], c.waits, c.name)
  }
})

t.test('nodes that come and go are no reason to agree anew; reflectors, peers and the mesh are', async t => {
  const digest = ({ bgpConfigurations, bgpPeers, nodes }: typeof reflectors) => {
    const settings = bgpSettings(bgpConfigurations)
    return sessionsDigest(settings, bgpPeers, nodeSpeakers(nodes, settings))
  }
  const [rr1, rr2, n1] = reflectors.nodes
  t.equal(digest(reflectors), digest({ ...reflectors, nodes: [rr1, rr2, n1] }))
  t.not(digest(reflectors), digest({ ...reflectors, nodes: [rr1, n1] }))
  t.not(digest(reflectors), digest(mesh))
  t.not(digest(reflectors), digest({ ...mesh, bgpConfigurations: reflectors.bgpConfigurations }))
})

import t, { type Test } from 'tap'
import type { PeerStatus } from '../../bgp/types.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { type Handover, handoverKind, readHandover } from '../model/handover.ts'
import { createPlanner } from '../plan/planner.ts'
import type { Snapshot } from '../plan/snapshot.ts'
import { configuration, reflectors } from '../plan/testing.ts'
import { HandoverKeeper } from './handover.ts'

const mesh: Snapshot = {
  ...reflectors,
  bgpPeers: [],
  bgpConfigurations: [configuration({ nodeToNodeMeshEnabled: true })],
}
const names = reflectors.nodes.map(({ metadata }) => metadata.name)

/** n1 under a snapshot, all its sessions up, while each other node says so of the digest that it is told. */
async function world(t: Test) {
  const datastore = new MemoryDatastore()
  const others = new Map<string, Handover>()
  let statuses: readonly PeerStatus[] = []
  const keeper = new HandoverKeeper({
    node: 'n1',
    datastore,
    isInSync: () => true,
    peers: () => statuses,
    tellers: () => [],
    now: () => 0,
    onDue: () => {},
  })
  t.teardown(() => keeper.close())
  const own = async (): Promise<Handover | undefined> =>
    readHandover('n1', (await datastore.get(handoverKind, 'n1'))?.value)
  const apply = async (snapshot: Snapshot): Promise<Handover | undefined> => {
    const planned = createPlanner('n1').plan(snapshot).speaker
    const families = ['ipv4-unicast'] as const
    statuses = [...(planned?.peers.keys() ?? [])].map(
      name => ({ name, state: 'Established', families, endOfRib: families, gracefulRestart: true }) as never,
    )
    const said = await own()
    keeper.apply(planned, { ...snapshot, handovers: [...others.values(), ...(said ? [said] : [])] })
    await new Promise(resolve => setImmediate(resolve))
    return own()
  }
  const agree = (digest: string): void => {
    for (const node of names.filter(name => name !== 'n1')) others.set(node, { node, inSync: digest, done: digest })
  }
  return { apply, agree }
}

t.test('what a node said of a first change does not count when the resources soon come back to it', async t => {
  const { apply, agree } = await world(t)
  const first = (await apply(mesh))?.inSync ?? ''
  agree(first)
  t.match(await apply(mesh), { inSync: first, done: first })
  const second = await apply(reflectors)
  t.not(second?.inSync, first)
  t.equal(second?.done, '', 'others that go back to the mesh wait for it again')
  agree('')
  t.match(await apply(mesh), { inSync: first, done: '' })
  agree(first)
  t.match(await apply(mesh), { inSync: first, done: first })
})

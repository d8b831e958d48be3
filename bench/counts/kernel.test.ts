// What the node does in the kernel for so many routes that BGP brings, counted on the fake kernel: one message for a route that comes,
// changes or goes, in few hand-overs, and none for what the kernel does not see.

import t from 'tap'
import { fullConfig } from '../../bgp/simple-config.ts'
import { type SimulatedSpeaker, Simulation } from '../../bgp/transport/simulation.ts'
import type { Origination } from '../../bgp/types.ts'
import { Dataplane } from '../../src/dataplane/index.ts'
import { type FakeWorld, fakeWorld, settle } from '../../src/dataplane/fake-world.ts'
import { Routing } from '../../src/daemon/routing.ts'
import { fibClasses } from '../../src/model/fib.ts'

const ROUTES = 2_000
/** Two neighbours on links of the node, each by another one. */
const [NODE, ONE, TWO] = ['10.0.1.7', '10.0.1.1', '10.0.2.1']

const routes = (attributes: Omit<Origination, 'prefix'> = {}): Origination[] =>
  Array.from({ length: ROUTES }, (_, i) => ({ prefix: `10.${64 + (i >> 8)}.${i & 255}.0/24`, ...attributes }))

interface Node {
  readonly net: Simulation
  readonly speaker: SimulatedSpeaker
  readonly close: () => Promise<void>
}

/** The node's speaker, what leads from it to the kernel, and the kernel. */
async function start(w: FakeWorld, net: Simulation): Promise<Node & { readonly plane: Dataplane }> {
  const peers = [ONE, TWO].map(address => ({ address, remoteAs: 65001, nextHop: 'self' as const }))
  const speaker = net.add(fullConfig({ asn: 65007, routerId: NODE, peers }), NODE, '10.0.2.7')
  const plane = await Dataplane.open({ kernel: w.kernel, clock: w.clock })
  for (const owner of fibClasses) if (owner !== 'bgp') plane.routes.inSync(owner)
  const routing = new Routing(plane.facts.current, { acceptDefault: false, own: [], pools: [] }, ['ipv4-unicast'], {
    changes: family => speaker.engine.rib(family).changes('kernel'),
    patch: updates => plane.routes.patch('bgp', updates),
    kernel: plane.routes,
    tellNextHops: changes => speaker.driver.with(engine => engine.setNextHops(changes)),
    warn: text => t.comment(text),
  })
  plane.facts.onChange(facts => routing.setFacts(facts))
  speaker.onTurn(() => routing.wake())
  return {
    net,
    speaker,
    plane,
    close: async () => {
      speaker.kill()
      routing.close()
      await plane.close()
    },
  }
}

function neighbour(net: Simulation, address: string, to: string): SimulatedSpeaker {
  const peers = [{ address: to, remoteAs: 65007 }]
  return net.add(fullConfig({ asn: 65001, routerId: address, peers }), address)
}

t.test('messages to the kernel', async t => {
  const w = await fakeWorld()
  const { log } = w.kernel.node
  let handOvers = 0
  const open = w.kernel.open.bind(w.kernel)
  w.kernel.open = async netns => {
    const handle = await open(netns)
    return { ...handle, apply: operations => (handOvers++, handle.apply(operations)) }
  }
  const net = new Simulation(1)
  const [one, two] = [neighbour(net, ONE, NODE), neighbour(net, TWO, '10.0.2.7')]
  let node = await start(w, net)

  /** What comes of it: messages by kind. */
  const after = async (change: () => unknown): Promise<Record<string, number>> => {
    log.length = handOvers = 0
    await change()
    for (let i = 0; i < 5; i++) {
      net.run(2)
      await settle(node.plane, w)
    }
    const kinds = Map.groupBy(log, ({ do: verb }) => verb)
    return Object.fromEntries(kinds.entries().map(([verb, list]) => [verb, list.length]))
  }
  const tell = (speaker: SimulatedSpeaker, list: readonly Origination[]) => () =>
    speaker.driver.with(engine => engine.originate(list))

  await after(() => node.plane.routes.inSync('bgp'))
  t.same(await after(tell(one, routes())), { 'route.add': ROUTES }, 'routes come: one message each')
  t.ok(handOvers <= Math.ceil(ROUTES / 256) + 1, `in ${handOvers} hand-overs of 256`)
  t.same(await after(tell(one, routes({ communities: ['65001:1'] }))), {}, 'another attribute: nothing')
  const both = await after(tell(two, routes({ communities: ['65001:1'] })))
  t.same(both, { 'route.replace': ROUTES }, 'a second way: one message each')
  const restarted = await after(async () => {
    await node.close()
    node = await start(w, net)
  })
  t.same(restarted, {}, 'a restart: nothing')
  t.same(await after(() => node.plane.routes.inSync('bgp')), {}, 'nor when all is in sync')
  t.equal(node.plane.routes.counts.installed, ROUTES)
  t.same(await after(tell(two, [])), { 'route.replace': ROUTES }, 'a way less: one message each')
  t.same(await after(tell(one, [])), { 'route.delete': ROUTES }, 'routes go: one message each')
  t.ok(handOvers <= Math.ceil(ROUTES / 256) + 1, `in ${handOvers} hand-overs`)
  await node.close()
})

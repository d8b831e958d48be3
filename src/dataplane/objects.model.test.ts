// The model of routes/route-table.model.test.ts for every other kind of object: whatever others do to tunnel devices and what is on
// them, to host ends of pods, to settings and to the packet filter, in the end all is as wanted, what is not ours is as others left
// it, and not a message more was sent than the oracle says.

import { hostMac } from '../model/endpoint.ts'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import t from 'tap'
import type { NetfilterTable } from '../../netlink/netfilter/types.ts'
import type { Link, Operation } from '../../netlink/types.ts'
import { fibClasses } from '../model/fib.ts'
import type { FilterRules } from '../model/intent.ts'
import { type Tunnel, vxlanMac } from '../model/tunnel.ts'
import { Dataplane } from './dataplane.ts'
import type { DesiredTunnel } from './encapsulation/tunnels.ts'
import { hostDeviceName } from './endpoints/names.ts'
import { gateway6, hostSettings } from './endpoints/wiring.ts'
import { type FakeWorld, fakeWorld, settle } from './fake-world.ts'
import { tableOf } from './filters/table.ts'
import { isRight, type Sysctl, type SysctlName } from './kernel.ts'
import { nodeSettings } from './node-setup.ts'

const device = 'margay-vxlan4'
const remotes = ['10.0.3.7', '10.0.3.8', '10.0.3.9']
const pods = [2, 3].map(n => ({
  network: 'pods',
  containerId: `c${n}`,
  ifName: 'eth0',
  netns: `/pods/${n}`,
  addresses: [`10.42.0.${n}`, `fd00:42::${n}`],
  mtu: 1400,
}))
const hostEnds = pods.map(hostDeviceName)
const fabric = ['eth0', 'eth1']
const settings = [
  ...nodeSettings({ all: fabric }, false),
  ...hostEnds.flatMap(name => hostSettings(name, { v4: true, v6: true })),
]
const theirs: NetfilterTable = { family: 'inet', name: 'theirs', sets: [], chains: [{ name: 'c', rules: [] }] }

interface Wish {
  readonly tunnel: DesiredTunnel | undefined
  readonly filters: FilterRules
}

const tunnelWish: fc.Arbitrary<DesiredTunnel> = fc
  .record({
    remotes: fc.subarray(remotes),
    mtu: fc.constantFrom(1450, 1400),
    address: fc.constantFrom('10.42.1.0', '10.42.2.0'),
  })
  .map(({ mtu, address, ...ends }) => {
    const tunnel: Tunnel = { kind: 'vxlan', family: 4, device, local: '10.0.1.7', pools: ['pods'], ...ends }
    return { tunnel, mtu, address }
  })
const wish: fc.Arbitrary<Wish> = fc.record({
  tunnel: fc.option(tunnelWish, { nil: undefined, freq: 6 }),
  filters: fc.constantFrom<FilterRules>(
    { masquerade: [], exclusions: [], pools: ['10.42.0.0/16'], nodes: [], tunnels: [] },
    {
      masquerade: ['10.42.0.0/16'],
      exclusions: [{ pools: ['10.42.0.0/16'], destinations: ['172.20.0.0/16'] }],
      pools: ['10.42.0.0/16'],
      nodes: ['10.0.0.9/32'],
      tunnels: [],
    },
  ),
})

type Step =
  | { readonly do: 'wish'; readonly wish: Wish }
  /** To the tunnel's device or a host end, whichever is there. */
  | { readonly do: 'link'; readonly name: string; readonly deed: 'down' | 'mtu' | 'rename' | 'delete' | 'mac' | 'arp' }
  | { readonly do: 'address'; readonly name: string; readonly cidr: string; readonly verb: 'add' | 'delete' }
  | { readonly do: 'neighbour' | 'fdb'; readonly remote: string; readonly deed: 'delete' | 'other' }
  | { readonly do: 'sysctl'; readonly name: SysctlName; readonly value: string }
  | { readonly do: 'nftables'; readonly deed: 'flush' | 'hollow' | 'theirs' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wish' as const), wish }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('link' as const),
      name: fc.constantFrom(device, ...hostEnds),
      deed: fc.constantFrom('down', 'mtu', 'rename', 'delete', 'mac', 'arp'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('address' as const),
      name: fc.constantFrom(device, ...hostEnds, 'eth0'),
      cidr: fc.constantFrom('10.42.1.0/32', '10.42.2.0/32', '10.99.0.1/32', `${gateway6}/64`),
      verb: fc.constantFrom('add', 'delete'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('neighbour', 'fdb'),
      remote: fc.constantFrom(...remotes, '10.0.3.66'),
      deed: fc.constantFrom('delete', 'other'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('sysctl' as const),
      name: fc.constantFrom(...settings.map(({ name }) => name)),
      value: fc.constantFrom('0', '1', '2'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('nftables' as const), deed: fc.constantFrom('flush', 'hollow', 'theirs') }),
  },
)

/** Messages and writes. */
interface Counts {
  readonly netlink: number
  readonly nftables: number
  readonly sysctls: number
}

class Run {
  readonly w: FakeWorld
  readonly plane: Dataplane
  readonly #foreign = new Set<Operation>()
  #sysctlWrites = 0
  wish: Wish

  private constructor(w: FakeWorld, plane: Dataplane, first: Wish) {
    this.w = w
    this.plane = plane
    this.wish = first
    const { kernel } = w
    const write = kernel.writeSysctls.bind(kernel)
    kernel.writeSysctls = (list, netns) => {
      this.#sysctlWrites += list.filter(({ name }) => settings.some(setting => setting.name === name)).length
      return write(list, netns)
    }
  }

  static async start(first: Wish): Promise<Run> {
    const w = await fakeWorld()
    const plane = await Dataplane.open({ kernel: w.kernel, clock: w.clock })
    await plane.endpoints.adopt([])
    for (const name of fibClasses) plane.routes.inSync(name)
    for (const pod of pods) {
      w.kernel.addNamespace(pod.netns)
      const outcome = await plane.endpoints.add(pod)
      if (!outcome.ok) throw new Error(outcome.error.text)
    }
    await plane.setUpNode({ all: fabric })
    const run = new Run(w, plane, first)
    await run.take({ do: 'wish', wish: first })
    await run.rest()
    return run
  }

  async take(one: Step): Promise<void> {
    const { node, netfilter } = this.w.kernel
    switch (one.do) {
      case 'wish':
        this.wish = one.wish
        return
      case 'link': {
        const link = node.named(one.name)?.index
        if (link === undefined || (one.deed === 'delete' && one.name !== device)) return
        if (one.deed === 'delete') return this.#foreignly({ do: 'link.delete', link })
        const change = {
          down: { up: false },
          mtu: { mtu: 1300 },
          // What is called otherwise is no tunnel device of ours any more.
          rename: one.name === device ? { mtu: 1299 } : { name: 'theirs' },
          mac: { mac: '02:00:00:00:00:66' },
          arp: { noArp: true },
        }[one.deed]
        return this.#foreignly({ do: 'link.set', link, change })
      }
      case 'address': {
        const link = node.named(one.name)?.index
        const isFour = !one.cidr.includes(':')
        // An IPv4 address on a host end, and fe80:: on others, are nobody's business.
        if (link === undefined || isFour === hostEnds.includes(one.name)) return
        return this.#foreignly({ do: `address.${one.verb}`, address: { link, cidr: one.cidr, scope: 'universe' } })
      }
      case 'neighbour':
      case 'fdb': {
        const link = node.named(device)?.index
        if (link === undefined) return
        const mac = vxlanMac(one.remote)
        const isDelete = one.deed === 'delete'
        if (one.do === 'fdb')
          return this.#foreignly(
            isDelete
              ? { do: 'fdb.delete', entry: { link, mac } }
              : { do: 'fdb.replace', entry: { link, mac, dst: '10.0.3.67' } },
          )
        const neighbour = { link, address: one.remote, mac: '02:00:00:00:00:67', state: 'permanent' } as const
        return this.#foreignly({ do: isDelete ? 'neighbour.delete' : 'neighbour.replace', neighbour })
      }
      case 'sysctl':
        node.writeSysctl(one.name, one.value)
        return
      case 'nftables':
        return netfilter.change(
          {
            flush: [],
            hollow: netfilter.tables.map(table => ({ ...table, chains: [] })),
            theirs: [...netfilter.tables.filter(({ name }) => name !== 'theirs'), theirs],
          }[one.deed],
        )
    }
  }

  /** Everything that time brings: events, the end of pauses, what lingers, the slow audit. */
  async rest(): Promise<void> {
    const { tunnel, filters } = this.wish
    this.plane.filters.set(filters)
    await this.plane.tunnels.apply(tunnel ? [tunnel] : [], true)
    for (let i = 0; i < 4; i++) {
      await settle(this.plane, this.w)
      await this.plane.filters.settle()
      this.w.clock.advance(60_000)
    }
    await settle(this.plane, this.w)
  }

  /** The oracle: in how many messages the kernel as it is becomes what it shall be. */
  async fewest(): Promise<Counts> {
    const ours = this.w.kernel.netfilter.tables.find(({ name }) => name === 'margay')
    const hosts = await Promise.all(pods.map(pod => this.#fewestForPod(hostDeviceName(pod), pod.mtu)))
    return {
      netlink: (await this.#fewestForTunnel()) + hosts.reduce((sum, count) => sum + count, 0),
      nftables: isDeepStrictEqual(ours, tableOf(this.wish.filters)) ? 0 : 1,
      sysctls: this.#wrongSettings(this.#isToBeMade()).length,
    }
  }

  async #fewestForPod(name: string, mtu: number): Promise<number> {
    const link = this.#hostEnd(name)
    const addresses = await this.w.other.addresses(6)
    const isChanged = link.name !== name || link.mtu !== mtu || link.mac !== hostMac || link.noArp || !link.up
    const hasGateway = addresses.some(one => one.link === link.index && one.cidr === `${gateway6}/64`)
    return (isChanged ? 1 : 0) + (hasGateway && link.up ? 0 : 1)
  }

  /** By its pod's end, because its name may be another. */
  #hostEnd(name: string): Link {
    const pod = pods.find(each => hostDeviceName(each) === name)
    const index = this.w.kernel.at(pod?.netns)?.named('eth0')?.peerIndex
    const link = [...this.w.kernel.node.links].find(one => one.index === index)
    if (!link) throw new Error(`${name} is gone`)
    return link
  }

  async #fewestForTunnel(): Promise<number> {
    const found = this.w.kernel.node.named(device)
    const { tunnel: wanted } = this.wish
    if (!wanted) return found ? 1 : 0
    const ends = wanted.tunnel.remotes
    const cidr = `${wanted.address}/32`
    if (!found || this.#isToBeMade()) return (found ? 1 : 0) + 1 + 2 * ends.length + 1
    const here = <T extends { readonly link: number }>(rows: readonly T[]) =>
      rows.filter(row => row.link === found.index)
    const neighbours = here(await this.w.other.neighbours())
    const fdb = here(await this.w.other.fdb())
    const addresses = here(await this.w.other.addresses(4))
    return [
      found.mtu !== wanted.mtu || found.noArp || !found.up,
      ...ends.map(dst => !fdb.some(one => one.mac === vxlanMac(dst) && one.dst === dst)),
      ...ends.map(dst => !neighbours.some(one => one.address === dst && one.mac === vxlanMac(dst))),
      ...fdb.map(one => !ends.some(dst => one.mac === vxlanMac(dst))),
      ...neighbours.map(one => !ends.includes(one.address)),
      !addresses.some(one => one.cidr === cidr),
      ...addresses.map(one => one.cidr !== cidr),
    ].filter(Boolean).length
  }

  /** Since the last call, by the plane; routes have an oracle of their own. */
  takeCounts(): Counts {
    const { node, netfilter } = this.w.kernel
    const ours = node.log.filter(one => !this.#foreign.has(one) && !one.do.startsWith('route.'))
    const counts = { netlink: ours.length, nftables: netfilter.log.length, sysctls: this.#sysctlWrites }
    node.log.length = netfilter.log.length = this.#sysctlWrites = 0
    return counts
  }

  async mustBeRight(): Promise<void> {
    const { node, netfilter } = this.w.kernel
    const left = await this.fewest()
    if (left.netlink + left.nftables + left.sysctls > 0)
      throw new Error(`not right: ${JSON.stringify([left, this.#wrongSettings(), this.plane.problems])}`)
    const routes = node.routes.filter(route => route.protocol === 81)
    if (routes.length !== 4) throw new Error(`routes of pods: ${JSON.stringify(routes)}`)
    const foreign = netfilter.tables.filter(({ name }) => name !== 'margay')
    if (foreign.some(({ name }) => name !== 'theirs')) throw new Error(`tables: ${JSON.stringify(foreign)}`)
  }

  /** A device that is made has its settings at 0; those of a host end go with its name. */
  #wrongSettings(isMade = false): readonly Sysctl[] {
    const ends = hostEnds.map(name => [`/${name}/`, `/${this.#hostEnd(name).name}/`] as const)
    const found = (name: SysctlName) => {
      if (isMade && name.includes(`/${device}/`)) return '0'
      const now = ends.reduce<string>((text, [wanted, is]) => text.replace(wanted, is), name)
      return this.w.kernel.node.readSysctl(now as SysctlName)
    }
    return settings.filter(setting => !isRight(setting, found(setting.name)))
  }

  #isToBeMade(): boolean {
    const { tunnel } = this.wish
    return tunnel !== undefined && this.w.kernel.node.named(device)?.mac !== vxlanMac(tunnel.tunnel.local)
  }

  #foreignly(operation: Operation): void {
    this.#foreign.add(operation)
    this.w.kernel.node.apply(operation)
  }
}

t.test('whatever others do, all is as wanted in the end, in the fewest messages', async t => {
  await fc.assert(
    fc.asyncProperty(wish, fc.array(step, { maxLength: 15 }), async (first, steps) => {
      const run = await Run.start(first)
      await run.mustBeRight()
      for (const one of steps) {
        run.takeCounts()
        await run.take(one)
        const fewest = await run.fewest()
        const foreign = run.w.kernel.netfilter.tables.filter(({ name }) => name === 'theirs')
        await run.rest()
        const sent = run.takeCounts()
        await run.mustBeRight()
        if (!isDeepStrictEqual(sent, fewest))
          throw new Error(`${JSON.stringify(one)}: ${JSON.stringify({ sent, fewest })}`)
        const after = run.w.kernel.netfilter.tables.filter(({ name }) => name === 'theirs')
        if (!isDeepStrictEqual(after, foreign)) throw new Error(`${JSON.stringify(one)}: another's table was touched`)
      }
      await run.plane.close()
    }),
    { numRuns: 100 },
  )
  t.pass('100 runs')
})

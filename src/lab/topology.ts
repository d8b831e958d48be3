// From what a lab file says to what has to be made: namespaces, ports, addresses, sessions. Pure.
//
// Every subnet is a bridge in the lab's one switch namespace; every host has a veth pair per interface, one end in its own
// namespace (eth0, eth1, …), the other a port of the bridge. So no node has a bridge, and nothing is made in the namespace
// that the lab is started from.

import { contains, type IpFamily, parseAddress, parsePrefix } from '../../inet/index.ts'
import type { Problem } from '../resources/problem.ts'
import { nearest } from '../resources/suggest.ts'
import type { HostInterface, LabFile } from './file/schema.ts'
import type { RawResource, ReadLab } from './file/read.ts'

export interface Topology {
  readonly name: string
  readonly switch: { readonly netns: string; readonly bridges: readonly string[] }
  readonly hosts: readonly Host[]
  readonly routers: readonly RouterPlan[]
  readonly nodes: readonly NodePlan[]
  readonly pods: readonly PodPlan[]
}

export interface Host {
  readonly name: string
  readonly role: 'router' | 'node' | 'outside'
  readonly netns: string
  readonly links: readonly HostLink[]
  /** On the loopback, /32 and /128. */
  readonly loopback: Addresses
  readonly gateway: Addresses
}

export interface Addresses {
  readonly ipv4?: string
  readonly ipv6?: string
}

/** One interface: `eth0` in the host's namespace, `tor1.0` in the switch's. Addresses with the subnet's length. */
export interface HostLink extends Addresses {
  readonly subnet: string
  readonly device: string
  readonly port: string
  readonly bridge: string
}

export interface RouterPlan {
  readonly host: string
  readonly kind: 'bird' | 'frr'
  readonly asn: number
  readonly routerId: string
  readonly holdTime: number
  readonly gracefulRestart: boolean
  readonly announce: readonly (Addresses & { readonly device: string })[]
  readonly neighbours: readonly NeighbourPlan[]
  /** The cluster's pools: what `accept: pods` lets in. */
  readonly pools: PrefixLists
  /** Nodes' own addresses that stand on loopbacks: let in as well. */
  readonly loopbacks: PrefixLists
}

export interface PrefixLists {
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
}

export interface NeighbourPlan {
  readonly name: string
  readonly device: string
  readonly asn: number
  /** Absent: nobody has one on that link but the kernel's link-local ones (unnumbered). */
  readonly address?: string
  /** The router's own addresses on that subnet, without length. */
  readonly local: Addresses
  readonly accept: 'all' | 'pods'
  readonly client: boolean
  readonly asOverride: boolean
}

export interface NodePlan {
  readonly host: string
  readonly asn: number | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly routeReflectorClusterID: string | undefined
  /** Its own: on the loopback or on its first interface, with length. */
  readonly addresses: Addresses
}

export interface PodPlan {
  readonly name: string
  readonly node: string
  readonly netns: string
}

export type Planning =
  { readonly ok: true; readonly topology: Topology } | { readonly ok: false; readonly problems: readonly Problem[] }

/** The namespace of a host or pod: `two-racks-r1n1`. */
export const netnsOf = (lab: string, host: string): string => `${lab}-${host}`

/** BGPConfiguration's AS number where none is given (src/resources). */
const usualAs = 64512

/** Draws the plan, under another name if one is given. */
export function planTopology(read: ReadLab, name = read.lab.name): Planning {
  const check = new Checker(read)
  const { lab, resources } = read
  const subnets = new Map(lab.subnets.map(subnet => [subnet.name, subnet]))
  const bridges = new Map(
    lab.subnets.map((subnet, i) => [subnet.name, subnet.name.length <= 15 ? subnet.name : `br${i}`]),
  )
  check.names(lab)
  const groups = [
    ['routers', 'router', lab.routers],
    ['nodes', 'node', lab.nodes],
    ['outside', 'outside', lab.outside],
  ] as const
  let ports = 0
  const hosts = groups.flatMap(([key, role, list]) =>
    list.map((host, i): Host => {
      const links = host.interfaces.map((face, j): HostLink => {
        const subnet = check.known('subnet', subnets, face.subnet, [key, i, 'interfaces', j, 'subnet'])
        check.inside(subnet, face, [key, i, 'interfaces', j])
        ports++
        const port = `${host.name}.${j}`
        return {
          subnet: face.subnet,
          device: `eth${j}`,
          port: port.length <= 15 ? port : `port${ports}`,
          bridge: bridges.get(face.subnet) ?? '',
          ipv4: withLength(face.ipv4, subnet?.ipv4),
          ipv6: withLength(face.ipv6, subnet?.ipv6),
        }
      })
      const loopback = 'loopback' in host ? hostRoutes(host.loopback ?? {}) : {}
      check.loopback(loopback, [key, i, 'loopback'])
      return { name: host.name, role, netns: netnsOf(name, host.name), links, loopback, gateway: {} }
    }),
  )
  const byName = new Map(hosts.map(host => [host.name, host]))
  const asns = new Map<string, number>()
  for (const router of lab.routers) asns.set(router.name, router.asn)
  for (const node of lab.nodes) asns.set(node.name, node.asn ?? clusterAs(resources))

  const gateways = new Map<string, Addresses>()
  for (const [key, , list] of groups.slice(1))
    for (const [i, host] of list.entries()) {
      if (!('gateway' in host) || host.gateway === undefined) continue
      const found = check.meeting(byName, host.name, host.gateway, [key, i, 'gateway'])
      if (found) gateways.set(host.name, bare(found.theirs))
    }

  const routers = lab.routers.map((router, i): RouterPlan => ({
    host: router.name,
    kind: router.kind,
    asn: router.asn,
    routerId: router.routerId,
    holdTime: router.holdTime,
    gracefulRestart: router.gracefulRestart,
    announce: router.announce.flatMap((subnetName, j) => {
      const link = byName.get(router.name)?.links.find(own => own.subnet === subnetName)
      const subnet = subnets.get(subnetName)
      if (link && subnet) return [{ device: link.device, ipv4: subnet.ipv4, ipv6: subnet.ipv6 }]
      check.known('subnet of this router', new Map(router.interfaces.map(own => [own.subnet, own])), subnetName, [
        'routers',
        i,
        'announce',
        j,
      ])
      return []
    }),
    neighbours: router.neighbours.flatMap((neighbour, j) => {
      const found = check.meeting(byName, router.name, neighbour.host, ['routers', i, 'neighbours', j, 'host'])
      const asn = asns.get(neighbour.host)
      const address = found && (bare(found.theirs).ipv4 ?? bare(found.theirs).ipv6)
      if (!found || asn === undefined) return []
      if (address === undefined && router.kind === 'bird') {
        check.unnumbered(router.name, neighbour.host, ['routers', i, 'neighbours', j, 'host'])
        return []
      }
      return [
        {
          name: neighbour.host,
          device: found.ours.device,
          asn,
          ...(address !== undefined && { address }),
          local: bare(found.ours),
          accept: neighbour.accept,
          client: neighbour.client,
          asOverride: neighbour.asOverride,
        },
      ]
    }),
    pools: poolsOf(resources),
    loopbacks: prefixLists(hosts.flatMap(({ loopback: { ipv4, ipv6 } }) => [ipv4 ?? [], ipv6 ?? []].flat())),
  }))

  const pods = lab.nodes.flatMap(node =>
    podNames(node.name, node.pods).map(pod => ({ name: pod, node: node.name, netns: netnsOf(name, pod) })),
  )
  if (check.problems.length > 0) return { ok: false, problems: check.problems }
  return {
    ok: true,
    topology: {
      name,
      switch: { netns: netnsOf(name, 'switch'), bridges: [...bridges.values()] },
      hosts: hosts.map(host => ({ ...host, gateway: gateways.get(host.name) ?? {} })),
      routers,
      nodes: lab.nodes.map(node => ({
        host: node.name,
        asn: node.asn,
        labels: node.labels,
        routeReflectorClusterID: node.routeReflectorClusterID,
        addresses: ownAddresses(byName.get(node.name)),
      })),
      pods,
    },
  }
}

/** Every namespace of the lab, the switch's first. */
export function namespacesOf(topology: Topology): readonly string[] {
  return [topology.switch.netns, ...topology.hosts.map(host => host.netns), ...topology.pods.map(pod => pod.netns)]
}

export function podNames(node: string, pods: number | readonly string[]): readonly string[] {
  return typeof pods === 'number' ? Array.from({ length: pods }, (_, i) => `${node}-p${i + 1}`) : pods
}

/** Addresses without their length. */
export function bare(addresses: Addresses): Addresses {
  return { ipv4: addresses.ipv4?.split('/')[0], ipv6: addresses.ipv6?.split('/')[0] }
}

/** On the loopback if it has one, else those of the first interface. With length. */
export function ownAddresses(host: Host | undefined): Addresses {
  if (!host) return {}
  const { ipv4, ipv6 } = host.loopback
  return ipv4 !== undefined || ipv6 !== undefined ? host.loopback : (host.links[0] ?? {})
}

const hostRoutes = ({ ipv4, ipv6 }: Addresses): Addresses => ({
  ...(ipv4 !== undefined && { ipv4: `${ipv4}/32` }),
  ...(ipv6 !== undefined && { ipv6: `${ipv6}/128` }),
})

const withLength = (address: string | undefined, subnet: string | undefined): string | undefined =>
  address && subnet ? `${address}/${subnet.split('/')[1]}` : address

function clusterAs(resources: readonly RawResource[]): number {
  const found = resources.find(resource => resource.kind === 'BGPConfiguration' && resource.name === 'default')
  const asn = Number(found?.spec['asNumber'] ?? usualAs)
  return Number.isInteger(asn) ? asn : usualAs
}

function poolsOf(resources: readonly RawResource[]): PrefixLists {
  return prefixLists(resources.flatMap(resource => (resource.kind === 'IPPool' ? [String(resource.spec['cidr'])] : [])))
}

function prefixLists(cidrs: readonly string[]): PrefixLists {
  const of = (family: IpFamily): string[] => cidrs.filter(cidr => parsePrefix(cidr)?.family === family)
  return { ipv4: of(4), ipv6: of(6) }
}

type Path = readonly (string | number)[]

/** What the schema cannot see: that names exist once, refer to something, and that addresses fit. */
class Checker {
  readonly problems: Problem[] = []
  readonly #object: string
  readonly #placeOf: ReadLab['placeOf']
  readonly #addresses = new Map<string, string>()
  readonly #loopbacks = new Set<string>()

  constructor(read: ReadLab) {
    this.#object = `lab "${read.lab.name}"`
    this.#placeOf = read.placeOf
  }

  #refuse(path: Path, what: string, why: string, fix: string): undefined {
    this.problems.push({ object: this.#object, path, what, why, fix, place: this.#placeOf(path) })
    return undefined
  }

  names(lab: LabFile): void {
    const taken = new Map<string, string>([['switch', 'the namespace of the subnets']])
    const take = (name: string, as: string, path: Path): void => {
      const holder = taken.get(name)
      if (holder)
        this.#refuse(
          path,
          `${name} is already ${holder}`,
          'Each name becomes a network namespace.',
          'Choose another name.',
        )
      else taken.set(name, as)
    }
    for (const [i, subnet] of lab.subnets.entries())
      if (lab.subnets.findIndex(other => other.name === subnet.name) < i)
        this.#refuse(
          ['subnets', i, 'name'],
          `subnet ${subnet.name} stands twice`,
          'Hosts name their subnet.',
          'Choose another name.',
        )
    for (const [i, router] of lab.routers.entries()) take(router.name, 'a router', ['routers', i, 'name'])
    for (const [i, host] of lab.outside.entries()) take(host.name, 'an outside host', ['outside', i, 'name'])
    for (const [i, node] of lab.nodes.entries()) take(node.name, 'a node', ['nodes', i, 'name'])
    for (const [i, node] of lab.nodes.entries())
      for (const pod of podNames(node.name, node.pods)) take(pod, `a pod of ${node.name}`, ['nodes', i, 'pods'])
  }

  known<T>(what: string, among: ReadonlyMap<string, T>, name: string, path: Path): T | undefined {
    const found = among.get(name)
    if (found !== undefined) return found
    const near = nearest(name, [...among.keys()])
    const fix = near ? `Did you mean ${near}?` : 'Correct the name, or add it.'
    return this.#refuse(path, `there is no ${what} ${name}`, `There is ${[...among.keys()].join(', ') || 'none'}.`, fix)
  }

  inside(subnet: LabFile['subnets'][number] | undefined, face: HostInterface, path: Path): void {
    if (!subnet) return
    for (const family of ['ipv4', 'ipv6'] as const) {
      const address = face[family]
      const prefix = subnet[family] ? parsePrefix(subnet[family]) : undefined
      if (!address) continue
      const parsed = parseAddress(address)
      if (!prefix || !parsed || !contains(prefix, parsed))
        this.#refuse(
          [...path, family],
          `${address} is not in subnet ${subnet.name} (${subnet[family] ?? `it has no ${family}`})`,
          'Hosts of one subnet reach each other without a router.',
          "Choose an address of the subnet, or correct the subnet's.",
        )
      const key = `${subnet.name} ${address}`
      const holder = this.#addresses.get(key)
      if (holder)
        this.#refuse(
          [...path, family],
          `${address} stands twice on subnet ${subnet.name}`,
          'Two hosts cannot share it.',
          'Choose another address.',
        )
      this.#addresses.set(key, key)
    }
  }

  unnumbered(router: string, neighbour: string, path: Path): void {
    this.#refuse(
      path,
      `${neighbour} has no address on the subnet that it shares with ${router}`,
      'BIRD has to be told the address of a neighbour.',
      'Give both an address there, or make the router an FRR, which finds it.',
    )
  }

  loopback(addresses: Addresses, path: Path): void {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const address = addresses[family]
      if (address === undefined) continue
      if (this.#loopbacks.has(address))
        this.#refuse(
          [...path, family],
          `${bare(addresses)[family]} stands twice on a loopback`,
          'It is the address of one node.',
          'Choose another address.',
        )
      this.#loopbacks.add(address)
    }
  }

  /** The subnet on which two hosts meet, as the link of each. */
  meeting(
    hosts: ReadonlyMap<string, Host>,
    own: string,
    name: string,
    path: Path,
  ): { ours: HostLink; theirs: HostLink } | undefined {
    const other = this.known('host', hosts, name, path)
    if (!other) return undefined
    for (const ours of hosts.get(own)?.links ?? []) {
      const theirs = other.links.find(link => link.subnet === ours.subnet)
      if (theirs && other.name !== own) return { ours, theirs }
    }
    return this.#refuse(
      path,
      `${own} and ${name} share no subnet`,
      'Neighbours and gateways are directly reachable.',
      `Give both an interface on one subnet.`,
    )
  }
}

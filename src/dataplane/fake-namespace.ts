// A network namespace of the fake kernel: links, addresses, routes, neighbours and sysctls.
//
// - a route's key is (table, prefix, tos, metric): add refuses a taken key, replace takes it from whoever holds it
// - setting a link down, deleting it, or removing its last IPv4 address flushes its IPv4 routes without an event
// - removing an address removes the routes that prefer it as source (with an event here, without one in older kernels)
// - deleting one end of a veth pair deletes the other
// Events arrive a turn later than the answers.

import type {
  FdbEntry,
  Group,
  InterfaceAddress,
  IpFamily,
  Ipv4Settings,
  Link,
  LinkChange,
  Neighbour,
  Netconf,
  NetlinkEvent,
  NewLink,
  Operation,
  Result,
  Route,
  Rtnetlink,
  Rule,
} from '../../netlink/types.ts'
import { contains, familyOf, parseAddress, parseInterfaceAddress, formatPrefix, prefixOf } from '../../inet/index.ts'
import { announcement, groupOf } from './fake-events.ts'
import type { SysctlName } from './kernel.ts'
import { metricOf } from './routes/route.ts'

/** As every namespace begins. */
const usualRules: readonly Rule[] = ([4, 6] as const).flatMap(family =>
  [255, 254, ...(family === 4 ? [253] : [])].map((table, i) => ({
    family,
    priority: [0, 32_766, 32_767][i],
    action: 'lookup',
    table,
  })),
)

const ipv4Names = {
  forwarding: 'forwarding',
  sendRedirects: 'send_redirects',
  reversePathFilter: 'rp_filter',
} as const satisfies Record<keyof Ipv4Settings, string>

type Refusal = (operation: Operation) => string | undefined
interface Watcher {
  readonly groups: ReadonlySet<Group>
  readonly handler: (event: NetlinkEvent) => void
}

let namespaces = 0

export class FakeNamespace {
  readonly id = `net:[${++namespaces}]`
  /** Every operation that this namespace was asked to do, in order. */
  readonly log: Operation[] = []
  /** Makes the kernel refuse an operation with the errno returned. */
  refuse: Refusal | undefined
  readonly #at: (netns: string | number) => FakeNamespace | undefined
  readonly #links = new Map<number, Link>()
  readonly #groups = new Map<number, number>()
  readonly #peers = new Map<number, { readonly namespace: FakeNamespace; readonly index: number }>()
  #addresses: InterfaceAddress[] = []
  #routes: Route[] = []
  #neighbours: Neighbour[] = []
  #fdb: FdbEntry[] = []
  readonly #sysctls = new Map<string, string>()
  readonly #watchers = new Set<Watcher>()
  #deaf: ReadonlySet<Watcher> | undefined
  #nextIndex = 2

  /** `at`: the namespace under a path, where the other end of a veth pair may be. */
  constructor(at: (netns: string | number) => FakeNamespace | undefined) {
    this.#at = at
    this.#links.set(1, { index: 1, name: 'lo', up: true, carrier: true, loopback: true, mtu: 65536 })
  }

  /** One socket's view of it. */
  handle(): Rtnetlink {
    const mine = new Set<Watcher>()
    const close = async (): Promise<void> => {
      for (const watcher of mine) this.#watchers.delete(watcher)
    }
    return {
      links: async () => [...this.#links.values()],
      link: async name => this.named(name),
      addresses: async family => this.#addresses.filter(address => !family || familyOf(address.cidr) === family),
      routes: async (filter = {}) =>
        this.#routes.filter(
          route =>
            (!filter.family || familyOf(route.dst) === filter.family) &&
            (filter.table === 0 || (route.table ?? 254) === (filter.table ?? 254)) &&
            (!filter.protocol || route.protocol === filter.protocol),
        ),
      rules: async family => usualRules.filter(rule => !family || rule.family === family),
      neighbours: async family => this.#neighbours.filter(one => !family || familyOf(one.address) === family),
      netconf: async (family, link) => this.#netconf(family, link),
      fdb: async () => [...this.#fdb],
      apply: async operations => operations.map(operation => this.#applyFor(mine, operation)),
      watch: async (groups, handler) => {
        const watcher = { groups: new Set(groups), handler }
        mine.add(watcher)
        this.#watchers.add(watcher)
        return async () => void this.#watchers.delete(watcher)
      },
      close,
      [Symbol.asyncDispose]: close,
    }
  }

  named(name: string): Link | undefined {
    return [...this.#links.values()].find(link => link.name === name)
  }

  get links(): Iterable<Link> {
    return this.#links.values()
  }

  get routes(): readonly Route[] {
    return this.#routes
  }

  /** What `change` does, nobody hears of. */
  mute(change: () => void): void {
    const watchers = [...this.#watchers]
    this.#watchers.clear()
    change()
    for (const watcher of watchers) this.#watchers.add(watcher)
  }

  /** The kernel drops events, as after ENOBUFS: watchers hear `overrun` only. */
  overrun(change: () => void): void {
    this.mute(change)
    for (const watcher of this.#watchers) setImmediate(() => watcher.handler({ type: 'overrun' }))
  }

  clear(): void {
    for (const link of this.#links.values()) this.#deleteLink(link.index)
  }

  apply(operation: Operation): Result {
    this.log.push(operation)
    const errno = this.refuse?.(operation) ?? this.#do(operation)
    return errno ? { ok: false, errno, text: `the fake kernel says ${errno}` } : { ok: true }
  }

  readSysctl(name: SysctlName): string | undefined {
    return this.#hasSysctl(name) ? (this.#sysctls.get(name) ?? '0') : undefined
  }

  /** Why not; undefined: it is written. */
  writeSysctl(name: SysctlName, value: string): string | undefined {
    if (!this.#hasSysctl(name)) return 'ENOENT'
    if (!/^[-\d\s]+$/.test(value)) return 'EINVAL'
    const announced = this.readSysctl(name) === value ? undefined : announcement(name)
    this.#sysctls.set(name, value.trim().replaceAll(/\s+/g, '\t'))
    const link = announced?.link ?? ''
    const index = link === 'all' || link === 'default' ? link : this.named(link)?.index
    if (announced && index !== undefined)
      this.#tell({ type: 'netconf.put', netconf: { family: announced.family, link: index } })
    return undefined
  }

  #hasSysctl(name: SysctlName): boolean {
    const device = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(name)?.[1]
    return device === undefined || device === 'all' || device === 'default' || this.named(device) !== undefined
  }

  #netconf(family: IpFamily, link: Netconf['link']): Netconf | undefined {
    const device = typeof link === 'number' ? this.#links.get(link)?.name : link
    if (device === undefined) return undefined
    const name =
      family === 4 && link === 'all' ? 'net/ipv4/ip_forward' : (`net/ipv${family}/conf/${device}/forwarding` as const)
    return { family, link, forwarding: this.readSysctl(name) === '1' }
  }

  #do(operation: Operation): string | undefined {
    switch (operation.do) {
      case 'link.add':
        return this.#addLink(operation.link)
      case 'link.set':
        return this.#setLink(operation.link, operation.change)
      case 'link.move':
        return this.#moveLink(operation.link, operation.to)
      case 'link.delete':
        return this.#deleteLink(operation.link) ? undefined : 'ENODEV'
      case 'links.delete': {
        const members = [...this.#groups].filter(([, group]) => group === operation.group)
        for (const [index] of members) this.#deleteLink(index)
        return members.length > 0 ? undefined : 'ENODEV'
      }
      case 'address.add':
      case 'address.replace':
        return this.#addAddress(operation.address, operation.do === 'address.add')
      case 'address.delete':
        return this.#deleteAddress(operation.address)
      case 'route.add':
      case 'route.replace':
        return this.#putRoute(operation.route, operation.do === 'route.add')
      case 'route.delete':
        return this.#deleteRoute(operation.route)
      case 'neighbour.replace':
      case 'neighbour.set':
        if (!this.#links.has(operation.neighbour.link)) return 'ENODEV'
        if (!this.#forgetNeighbour(operation.neighbour) && operation.do === 'neighbour.set') return 'ENOENT'
        this.#neighbours.push(operation.neighbour)
        this.#tell({ type: 'neighbour.put', neighbour: operation.neighbour })
        return undefined
      case 'neighbour.delete':
        if (!this.#forgetNeighbour(operation.neighbour)) return 'ENOENT'
        this.#tell({ type: 'neighbour.delete', neighbour: operation.neighbour })
        return undefined
      case 'fdb.replace':
        if (!this.#links.has(operation.entry.link)) return 'ENODEV'
        this.#forgetFdb(operation.entry)
        this.#fdb.push(operation.entry)
        this.#tell({ type: 'fdb.put', entry: operation.entry })
        return undefined
      case 'fdb.delete':
        if (!this.#forgetFdb(operation.entry)) return 'ENOENT'
        this.#tell({ type: 'fdb.delete', entry: operation.entry })
        return undefined
      default:
        return operation satisfies never
    }
  }

  // Links.

  #addLink(link: NewLink): string | undefined {
    if (this.named(link.name)) return 'EEXIST'
    if (link.kind !== 'veth' && link.kind !== 'bridge') return this.#addTunnel(link)
    if (link.kind !== 'veth') return 'EOPNOTSUPP'
    const other = link.peer.netns === undefined ? this : this.#at(link.peer.netns)
    if (!other) return 'EINVAL'
    if (other.named(link.peer.name)) return 'EEXIST'
    const index = this.#nextIndex++
    const peerIndex = other.#nextIndex++
    const common = { kind: 'veth', up: false, carrier: false, loopback: false }
    const mac = link.mac ?? randomMac()
    const peerMac = link.peer.mac ?? randomMac()
    this.#peers.set(index, { namespace: other, index: peerIndex })
    other.#peers.set(peerIndex, { namespace: this, index })
    this.#putLink({ ...common, index, name: link.name, mac, mtu: link.mtu ?? 1500, peerIndex })
    other.#putLink({
      ...common,
      index: peerIndex,
      name: link.peer.name,
      mac: peerMac,
      mtu: link.peer.mtu ?? 1500,
      peerIndex: index,
    })
    return link.up ? this.#setLink(index, { up: true }) : undefined
  }

  #addTunnel(link: Extract<NewLink, { kind: 'vxlan' | 'ipip' | 'gre' | 'wireguard' }>): undefined {
    const index = this.#nextIndex++
    const { kind, name, mtu = 1500 } = link
    const ends = kind === 'wireguard' || link.local === undefined ? {} : { local: link.local }
    const more = {
      ...(link.kind === 'gre' && link.key !== undefined && { key: link.key }),
      ...('ttl' in link && link.ttl !== undefined && { ttl: link.ttl }),
      ...('encap' in link && { encap: link.encap }),
    }
    const tunnel =
      kind === 'vxlan'
        ? { id: link.id, port: link.port ?? 4789, learning: link.learning ?? true, ...ends }
        : { ...ends, ...more }
    const mac = kind === 'vxlan' ? { mac: link.mac ?? randomMac() } : {}
    this.#putLink({ index, name, kind, up: false, carrier: false, loopback: false, mtu, ...mac, tunnel })
    if (link.up) this.#setLink(index, { up: true })
    return undefined
  }

  #moveLink(index: number, to: NewLink): string | undefined {
    const old = this.#links.get(index)
    if (!old) return 'ENODEV'
    if (old.kind !== to.kind || !('local' in to)) return 'EOPNOTSUPP'
    const link = { ...old, tunnel: { ...old.tunnel, local: to.local } }
    this.#links.set(index, link)
    this.#tell({ type: 'link.put', link: this.#withCarrier(link) })
    return undefined
  }

  #setLink(index: number, change: LinkChange): string | undefined {
    const old = this.#links.get(index)
    if (!old) return 'ENODEV'
    const { group, ipv4 = {}, ipv6Addresses: _, ...changed } = change
    const { noArp, master, ...rest } = { ...old, ...definedOf(changed) }
    if (group !== undefined) this.#groups.set(index, group)
    const link = { ...rest, ...(noArp && { noArp }), ...(master && { master }) }
    this.#links.set(index, link)
    if (link.name !== old.name) this.#moveSysctls(old.name, link.name)
    for (const [setting, value] of Object.entries(definedOf(ipv4)))
      this.#sysctls.set(`net/ipv4/conf/${link.name}/${ipv4Names[setting as keyof Ipv4Settings]}`, String(Number(value)))
    if (old.up && !link.up) this.#flush(index)
    this.#tell({ type: 'link.put', link: this.#withCarrier(link) })
    if (!old.up && link.up) for (const address of this.#addresses) if (address.link === index) this.#connect(address)
    const peer = this.#peers.get(index)
    const far = peer && peer.namespace.#links.get(peer.index)
    if (peer && far && old.up !== link.up) peer.namespace.#putLink(peer.namespace.#withCarrier(far))
    return undefined
  }

  #withCarrier(link: Link): Link {
    const peer = this.#peers.get(link.index)
    const far = peer && peer.namespace.#links.get(peer.index)
    const now = { ...link, carrier: link.loopback || (link.up && (link.tunnel !== undefined || (far?.up ?? false))) }
    this.#links.set(link.index, now)
    return now
  }

  #putLink(link: Link): void {
    this.#links.set(link.index, link)
    this.#tell({ type: 'link.put', link })
  }

  #deleteLink(index: number): boolean {
    const link = this.#links.get(index)
    if (!link) return false
    const peer = this.#peers.get(index)
    this.#peers.delete(index)
    this.#flush(index)
    this.#addresses = this.#addresses.filter(address => address.link !== index)
    this.#neighbours = this.#neighbours.filter(neighbour => neighbour.link !== index)
    this.#fdb = this.#fdb.filter(entry => entry.link !== index)
    this.#links.delete(index)
    this.#groups.delete(index)
    this.#moveSysctls(link.name)
    this.#tell({ type: 'link.delete', link })
    if (peer) peer.namespace.#deleteLink(peer.index)
    return true
  }

  /** A device's settings go with its name, and with it. */
  #moveSysctls(from: string, to?: string): void {
    for (const [name, value] of this.#sysctls) {
      if (!name.includes(`/${from}/`)) continue
      this.#sysctls.delete(name)
      if (to !== undefined) this.#sysctls.set(name.replace(`/${from}/`, `/${to}/`), value)
    }
  }

  // Addresses.

  #addAddress(address: InterfaceAddress, exclusively: boolean): string | undefined {
    if (!this.#links.has(address.link)) return 'ENODEV'
    const known = this.#addresses.some(other => other.link === address.link && other.cidr === address.cidr)
    if (known) return exclusively ? 'EEXIST' : undefined
    this.#addresses.push(address)
    this.#tell({ type: 'address.put', address })
    if (this.#links.get(address.link)?.up) this.#connect(address)
    return undefined
  }

  #deleteAddress(address: InterfaceAddress): string | undefined {
    const before = this.#addresses.length
    this.#addresses = this.#addresses.filter(other => other.link !== address.link || other.cidr !== address.cidr)
    if (this.#addresses.length === before) return 'EADDRNOTAVAIL'
    this.#tell({ type: 'address.delete', address })
    const [text] = address.cidr.split('/')
    const connected = connectedBy(address)
    const taken = this.#routes.filter(
      route => route.source === text || (connected !== undefined && isConnectedBy(route, connected)),
    )
    this.#routes = this.#routes.filter(route => !taken.includes(route))
    for (const route of taken) this.#tell({ type: 'route.delete', route })
    const last = !this.#addresses.some(other => other.link === address.link && familyOf(other.cidr) === 4)
    if (last && familyOf(address.cidr) === 4) this.#flush(address.link, 4)
    return undefined
  }

  #connect(address: InterfaceAddress): void {
    const route = connectedBy(address)
    if (route) this.#putRoute(route, true)
  }

  // Routes.

  #putRoute(route: Route, exclusively: boolean): string | undefined {
    const complete: Route = {
      ...route,
      table: route.table ?? 254,
      protocol: route.protocol ?? 4,
      metric: metricOf(route),
      tos: route.tos ?? 0,
    }
    const errno = (complete.type ?? 'unicast') !== 'unicast' ? undefined : this.#unreachable(complete)
    if (errno) return errno
    const at = this.#routes.findIndex(other => sameKey(other, complete))
    if (at >= 0 && exclusively) return 'EEXIST'
    if (at >= 0) this.#routes[at] = complete
    else this.#routes.push(complete)
    this.#tell({ type: 'route.put', route: complete })
    return undefined
  }

  #unreachable(route: Route): string | undefined {
    if (route.source !== undefined && !this.#addresses.some(one => one.cidr.split('/')[0] === route.source))
      return 'EINVAL'
    for (const hop of route.nextHops) {
      const link = this.#links.get(hop.link ?? 0)
      if (!link) return hop.gateway === undefined ? 'ENODEV' : 'ENETUNREACH'
      if (!link.up) return 'ENETDOWN'
      const gateway = hop.gateway === undefined ? undefined : parseAddress(hop.gateway)
      if (!gateway || hop.onlink || hop.gateway?.startsWith('fe80:')) continue
      const connected = this.#routes.some(other => {
        const prefix = parseInterfaceAddress(other.dst)
        const direct = other.nextHops.some(one => one.link === hop.link && one.gateway === undefined)
        return direct && prefix !== undefined && contains(prefixOf(prefix.address, prefix.length), gateway)
      })
      if (!connected) return 'ENETUNREACH'
    }
    return undefined
  }

  #deleteRoute(route: Route): string | undefined {
    const at = this.#routes.findIndex(
      other =>
        other.dst === route.dst &&
        other.table === (route.table ?? 254) &&
        other.tos === (route.tos ?? 0) &&
        other.from === route.from &&
        (route.metric === undefined || other.metric === route.metric) &&
        (!route.protocol || other.protocol === route.protocol) &&
        (other.type ?? 'unicast') === (route.type ?? 'unicast') &&
        (familyOf(route.dst) === 6 ||
          route.scope === 'nowhere' ||
          (other.scope ?? 'universe') === (route.scope ?? 'universe')),
    )
    if (at < 0) return 'ESRCH'
    const found = this.#routes[at]
    if (familyOf(route.dst) === 6 && route.nextHops.length > 0) return this.#deleteHops(at, route.nextHops)
    this.#routes.splice(at, 1)
    this.#tell({ type: 'route.delete', route: found })
    return undefined
  }

  /** IPv6: each of these next hops by itself. */
  #deleteHops(at: number, hops: Route['nextHops']): string | undefined {
    const found = this.#routes[at]
    const isSame = (a: Route['nextHops'][number], b: typeof a) => a.link === b.link && a.gateway === b.gateway
    const rest = found.nextHops.filter(hop => !hops.some(other => isSame(hop, other)))
    this.#routes.splice(at, 1, ...(rest.length > 0 ? [{ ...found, nextHops: rest }] : []))
    for (const hop of found.nextHops)
      if (!rest.includes(hop)) this.#tell({ type: 'route.delete', route: { ...found, nextHops: [hop] } })
    return found.nextHops.length - rest.length === hops.length ? undefined : 'ESRCH'
  }

  /** Takes a link's routes out: IPv4 without a word; a multipath route stays while one leg lives. */
  #flush(link: number, only?: IpFamily): void {
    const kept: Route[] = []
    for (const route of this.#routes) {
      const family = familyOf(route.dst)
      const legs = route.nextHops.map(hop => (hop.link === link ? { ...hop, dead: true } : hop))
      const hit = (!only || only === family) && route.nextHops.some(hop => hop.link === link)
      if (!hit) kept.push(route)
      else if (legs.some(hop => !hop.dead)) kept.push({ ...route, nextHops: legs })
      else if (family === 6) this.#tell({ type: 'route.delete', route })
    }
    this.#routes = kept
  }

  #forgetNeighbour(neighbour: Neighbour): boolean {
    const before = this.#neighbours.length
    this.#neighbours = this.#neighbours.filter(one => one.link !== neighbour.link || one.address !== neighbour.address)
    return this.#neighbours.length < before
  }

  #forgetFdb(entry: FdbEntry): boolean {
    const before = this.#fdb.length
    this.#fdb = this.#fdb.filter(one => one.link !== entry.link || one.mac !== entry.mac)
    return this.#fdb.length < before
  }

  /** Those watchers hear nothing of the IPv4 routes that come and go by it. */
  #applyFor(own: ReadonlySet<Watcher>, operation: Operation): Result {
    this.#deaf = operation.do.startsWith('route.') ? own : undefined
    try {
      return this.apply(operation)
    } finally {
      this.#deaf = undefined
    }
  }

  #tell(event: NetlinkEvent): void {
    const group = groupOf(event)
    for (const watcher of this.#watchers)
      if (group && !(group === 'route4' && this.#deaf?.has(watcher)) && watcher.groups.has(group))
        setImmediate(() => this.#watchers.has(watcher) && watcher.handler(event))
  }
}

/** The route that the kernel itself adds with an address on a link that is up. */
function connectedBy(address: InterfaceAddress): Route | undefined {
  const parsed = parseInterfaceAddress(address.cidr)
  if (!parsed || parsed.length === (parsed.address.family === 4 ? 32 : 128)) return undefined
  return {
    dst: formatPrefix(prefixOf(parsed.address, parsed.length)),
    type: 'unicast',
    protocol: 2,
    scope: 'link',
    metric: parsed.address.family === 4 ? 0 : 256,
    nextHops: [{ link: address.link }],
  }
}

function isConnectedBy(route: Route, connected: Route): boolean {
  return route.protocol === 2 && route.dst === connected.dst && route.nextHops[0]?.link === connected.nextHops[0].link
}

function sameKey(a: Route, b: Route): boolean {
  return a.table === b.table && a.dst === b.dst && a.metric === b.metric && a.tos === b.tos && a.from === b.from
}

function definedOf<T extends object>(change: T): Partial<T> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<T>
}

let macs = 0
function randomMac(): string {
  const n = ++macs
  return `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`
}

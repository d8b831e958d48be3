// The node as the kernel shows it, for those who plan: links, addresses, and routes that are not ours.
//
// Pods' host ends are left out: they come and go with every pod, and no plan depends on one.

import type { Route } from '../../netlink/types.ts'
import type { Facts, ForeignRoute } from '../model/facts.ts'
import type { Clock } from './clock.ts'
import { isHostDeviceName } from './endpoints/names.ts'
import type { KernelMirror, MirrorChange } from './mirror.ts'
import { metricOf } from './routes/route.ts'

/** Wait after a change for the rest of its burst. Milliseconds. */
const settleFor = 20

export class FactsWatch {
  readonly #mirror: KernelMirror
  readonly #listeners = new Set<(facts: Facts) => void>()
  readonly #unlisten: () => void
  #current: Facts
  #fingerprint: string
  #cancel: (() => void) | undefined
  readonly #clock: Clock
  #reversePathFilter = 0

  constructor(mirror: KernelMirror, clock: Clock) {
    this.#mirror = mirror
    this.#clock = clock
    this.#current = gather(mirror, 0)
    this.#fingerprint = JSON.stringify(this.#current)
    this.#unlisten = mirror.onChange(change => {
      if (!this.#isOfPod(change)) this.#lookSoon()
    })
  }

  /** `net.ipv4.conf.all.rp_filter`, of which the mirror knows nothing. */
  set reversePathFilter(value: number) {
    this.#reversePathFilter = value
    this.#lookSoon()
  }

  get current(): Facts {
    return this.#current
  }

  /** Calls back when something is different from the last time. Returns the unsubscribe. */
  onChange(listener: (facts: Facts) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#unlisten()
    this.#cancel?.()
    this.#listeners.clear()
  }

  /** What comes and goes with every pod. */
  #isOfPod(change: MirrorChange): boolean {
    switch (change.what) {
      case 'route':
        return this.#mirror.foreign(change.prefix).length === 0 && !this.#mentions(change.prefix)
      case 'link':
        return !change.renamed && isHostDeviceName(change.link.name)
      case 'address':
        return isHostDeviceName(this.#mirror.link(change.address.link)?.name ?? '')
      case 'overrun':
        return false
    }
  }

  #mentions(prefix: string): boolean {
    return this.#current.foreignRoutes.some(route => route.prefix === prefix)
  }

  #lookSoon(): void {
    this.#cancel ??= this.#clock.after(settleFor, () => this.#look())
  }

  #look(): void {
    this.#cancel = undefined
    const facts = gather(this.#mirror, this.#reversePathFilter)
    const fingerprint = JSON.stringify(facts)
    if (fingerprint === this.#fingerprint) return
    this.#current = facts
    this.#fingerprint = fingerprint
    for (const listener of this.#listeners) listener(facts)
  }
}

function gather(mirror: KernelMirror, reversePathFilter: number): Facts {
  const links = [...mirror.links].filter(link => !isHostDeviceName(link.name)).toSorted((a, b) => a.index - b.index)
  const names = new Map(links.map(link => [link.index, link.name]))
  const addresses = [...mirror.addresses].flatMap(({ link, cidr, tentative, secondary }) => {
    const name = names.get(link)
    return name === undefined || tentative ? [] : [{ link: name, cidr, ...(secondary && { secondary }) }]
  })
  return {
    links: links.map(({ index, name, up, carrier, mtu }) => ({ index, name, up, carrier, mtu })),
    addresses: addresses.toSorted((a, b) => order(a.link, b.link) || order(a.cidr, b.cidr)),
    foreignRoutes: [...mirror.foreignRoutes()]
      .filter(route => route.nextHops.every(hop => hop.link === undefined || names.has(hop.link)))
      .map(route => foreignRoute(route, names))
      .toSorted((a, b) => order(a.prefix, b.prefix) || a.metric - b.metric || a.protocol - b.protocol),
    ...(reversePathFilter > 0 && { reversePathFilter }),
  }
}

/** Of a multipath route the first live leg stands for all. */
function foreignRoute(route: Route, names: ReadonlyMap<number, string>): ForeignRoute {
  const hop = route.nextHops.find(one => !one.dead) ?? route.nextHops[0]
  const device = hop?.link === undefined ? undefined : names.get(hop.link)
  return {
    prefix: route.dst,
    ...(hop?.gateway !== undefined && { gateway: hop.gateway }),
    ...(device !== undefined && { device }),
    ...(route.source !== undefined && { source: route.source }),
    protocol: route.protocol ?? 0,
    metric: metricOf(route),
    connected: hop !== undefined && hop.gateway === undefined && (route.type ?? 'unicast') === 'unicast',
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

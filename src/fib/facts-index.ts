// The kernel's facts, arranged for next-hop questions.
//
// Facts hold no route of ours, so a look-up here never goes through another BGP route.

import {
  formatPrefix,
  parseAddress,
  parseInterfaceAddress,
  parsePrefix,
  formatAddress,
  PrefixTable,
  Ranges,
} from '../../inet/index.ts'
import type { Address, Prefix } from '../../inet/index.ts'
import type { Facts, ForeignRoute } from '../model/facts.ts'

/** A foreign route with its prefix read. */
export interface KnownRoute {
  readonly prefix: Prefix
  readonly route: ForeignRoute
}

export class FactsIndex {
  readonly #usableLinks: ReadonlySet<string>
  readonly #ownAddresses: ReadonlySet<string>
  readonly #mtus: ReadonlyMap<string, number>
  /** Of several for one prefix the kernel's choice first. */
  readonly #byPrefix = new PrefixTable<readonly KnownRoute[]>()
  /** Subnets on a link, a default route on a link excluded: nothing learned may enter them. */
  readonly connected: readonly KnownRoute[]
  /** The same, to look in. */
  readonly subnets: Ranges<KnownRoute>

  constructor(facts: Facts) {
    this.#usableLinks = new Set(facts.links.filter(link => link.up && link.carrier).map(link => link.name))
    this.#mtus = new Map(facts.links.map(link => [link.name, link.mtu]))
    this.#ownAddresses = new Set(facts.addresses.map(address => canonicalHost(address.cidr)))
    const known = facts.foreignRoutes.flatMap(route => {
      const prefix = parsePrefix(route.prefix)
      return prefix ? [{ prefix, route }] : []
    })
    const routes = Map.groupBy(
      known.toSorted((a, b) => a.route.metric - b.route.metric),
      ({ prefix }) => formatPrefix(prefix),
    )
    for (const same of routes.values()) this.#byPrefix.set(same[0].prefix, same)
    this.connected = known.filter(({ prefix, route }) => route.connected && prefix.length > 0)
    this.subnets = new Ranges(this.connected)
  }

  /** Administratively up and with carrier. */
  isUsable(device: string): boolean {
    return this.#usableLinks.has(device)
  }

  /** Devices that carry less, in a fixed order. */
  narrowerThan(mtu: number): readonly string[] {
    return [...this.#mtus].flatMap(([name, its]) => (its < mtu ? [name] : [])).toSorted()
  }

  /** Whether each of these devices carries packets of that many octets. */
  carries(mtu: number, devices: readonly string[]): boolean {
    return devices.every(name => (this.#mtus.get(name) ?? mtu) >= mtu)
  }

  isOwnAddress(address: Address): boolean {
    return this.#ownAddresses.has(formatAddress(address))
  }

  /**
   * The route the kernel would take to `address` among those not ours: longest prefix, then least metric, links that
   * are down left out.
   */
  routeTo(address: Address): KnownRoute | undefined {
    const isAlive = ({ route }: KnownRoute) => route.device === undefined || this.isUsable(route.device)
    return this.#byPrefix.match(address, same => same.some(isAlive))?.value.find(isAlive)
  }
}

function canonicalHost(cidr: string): string {
  const parsed = parseInterfaceAddress(cidr)
  return parsed ? formatAddress(parsed.address) : cidr
}

/** Reads `fe80::1%eth0` as well as a plain address. */
export function parseScopedAddress(text: string): { readonly address: Address; readonly zone?: string } | undefined {
  const percent = text.indexOf('%')
  const address = parseAddress(percent < 0 ? text : text.slice(0, percent))
  if (!address) return undefined
  return percent < 0 ? { address } : { address, zone: text.slice(percent + 1) }
}

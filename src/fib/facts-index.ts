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
  readonly #byPrefix = new PrefixTable<readonly ForeignRoute[]>()
  /** Subnets on a link, the default route excluded: nothing learned may enter them. */
  readonly connected = new PrefixTable<ForeignRoute>()
  readonly routes: ReadonlyMap<string, readonly KnownRoute[]>

  constructor(facts: Facts) {
    this.#usableLinks = new Set(facts.links.filter(link => link.up && link.carrier).map(link => link.name))
    this.#ownAddresses = new Set(facts.addresses.map(address => canonicalHost(address.cidr)))
    const routes = new Map<string, KnownRoute[]>()
    for (const route of facts.foreignRoutes) {
      const prefix = parsePrefix(route.prefix)
      if (!prefix) continue
      const key = formatPrefix(prefix)
      const same = routes.get(key)
      if (same) same.push({ prefix, route })
      else routes.set(key, [{ prefix, route }])
      if (route.connected && prefix.length > 0) this.connected.set(prefix, route)
    }
    for (const same of routes.values()) {
      same.sort((a, b) => a.route.metric - b.route.metric)
      this.#byPrefix.set(
        same[0].prefix,
        same.map(known => known.route),
      )
    }
    this.routes = routes
  }

  /** Administratively up and with carrier. */
  isUsable(device: string): boolean {
    return this.#usableLinks.has(device)
  }

  isOwnAddress(address: Address): boolean {
    return this.#ownAddresses.has(formatAddress(address))
  }

  /** Foreign routes of exactly this prefix, the kernel's choice first. */
  exactly(prefix: Prefix): readonly ForeignRoute[] {
    return this.#byPrefix.get(prefix) ?? []
  }

  /**
   * The route the kernel would take to `address` among those not ours: longest prefix, then least metric, links that
   * are down left out.
   */
  routeTo(address: Address): KnownRoute | undefined {
    let found: ForeignRoute | undefined
    const match = this.#byPrefix.match(address, routes => {
      found = routes.find(route => route.device === undefined || this.isUsable(route.device))
      return found !== undefined
    })
    return match && found && { prefix: match.prefix, route: found }
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

// Facts for tests: a node on two subnets with a default route, told in few words.

import type { Facts, ForeignRoute, LinkFact } from '../model/facts.ts'

export function link(name: string, state: Partial<LinkFact> = {}): LinkFact {
  return { index: 1, name, up: true, carrier: true, mtu: 1500, ...state }
}

export function connected(prefix: string, device: string): ForeignRoute {
  return { prefix, device, protocol: 2, metric: 0, connected: true }
}

export function via(prefix: string, gateway: string, device: string, metric = 0): ForeignRoute {
  return { prefix, gateway, device, protocol: 3, metric, connected: false }
}

/** eth0 10.0.1.7/24 and fd00:1::7/64, eth1 10.0.2.7/24, default via 10.0.1.254, 172.16.0.0/16 static via 10.0.2.1. */
export const node: Facts = {
  links: [link('lo'), link('eth0'), link('eth1')],
  addresses: [
    { link: 'lo', cidr: '127.0.0.1/8' },
    { link: 'eth0', cidr: '10.0.1.7/24' },
    { link: 'eth0', cidr: 'fd00:1::7/64' },
    { link: 'eth1', cidr: '10.0.2.7/24' },
  ],
  foreignRoutes: [
    connected('10.0.1.0/24', 'eth0'),
    connected('10.0.2.0/24', 'eth1'),
    connected('fd00:1::/64', 'eth0'),
    via('0.0.0.0/0', '10.0.1.254', 'eth0', 100),
    via('172.16.0.0/16', '10.0.2.1', 'eth1', 50),
  ],
}

export function withLinks(facts: Facts, ...links: readonly LinkFact[]): Facts {
  const names = new Set(links.map(each => each.name))
  return { ...facts, links: [...facts.links.filter(each => !names.has(each.name)), ...links] }
}

export function withRoutes(facts: Facts, ...routes: readonly ForeignRoute[]): Facts {
  return { ...facts, foreignRoutes: [...facts.foreignRoutes, ...routes] }
}

export function withoutRoute(facts: Facts, prefix: string): Facts {
  return { ...facts, foreignRoutes: facts.foreignRoutes.filter(route => route.prefix !== prefix) }
}

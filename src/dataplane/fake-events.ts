// Which events of the fake kernel go to whom, and of which settings there are any.

import type { Group, IpFamily, NetlinkEvent } from '../../netlink/types.ts'
import { familyOf } from '../../inet/index.ts'
import type { SysctlName } from './kernel.ts'

/** The group whose members hear of it; undefined: it is none that a group has. */
export function groupOf(event: NetlinkEvent): Group | undefined {
  switch (event.type) {
    case 'link.put':
    case 'link.delete':
      return 'link'
    case 'address.put':
    case 'address.delete':
      return familyOf(event.address.cidr) === 4 ? 'address4' : 'address6'
    case 'route.put':
    case 'route.delete':
      return familyOf(event.route.dst) === 4 ? 'route4' : 'route6'
    case 'rule.put':
    case 'rule.delete':
      return event.rule.family === 4 ? 'rule4' : 'rule6'
    case 'neighbour.put':
    case 'neighbour.delete':
    case 'fdb.put':
    case 'fdb.delete':
      return 'neighbour'
    case 'netconf.put':
    case 'netconf.delete':
      return event.netconf.family === 4 ? 'netconf4' : 'netconf6'
    case 'overrun':
    default:
      return undefined
  }
}

/** Whose settings the kernel says to have changed; of others it says nothing. */
export function announcement(name: SysctlName): { readonly family: IpFamily; readonly link: string } | undefined {
  if (name === 'net/ipv4/ip_forward') return { family: 4, link: 'all' }
  const parts = /^net\/ipv([46])\/conf\/(.+)\/(forwarding|rp_filter|ignore_routes_with_linkdown)$/.exec(name)
  return parts ? { family: parts[1] === '4' ? 4 : 6, link: parts[2] } : undefined
}

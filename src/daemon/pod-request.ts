// What an ADD asks for beside an address, made into the daemon's terms, or refused: pools, routes, settings of the pod's namespace.

import type { AddRequest } from '../../cni-plugin/protocol/backend.ts'
import { CniError, code } from '../../cni-plugin/protocol/errors.ts'
import { familyOf, type IpFamily } from '../../inet/index.ts'
import { gatewayOf } from '../dataplane/endpoints/wiring.ts'
import type { Endpoint, PodRoute } from '../model/endpoint.ts'
import { isCalled } from '../ipam/pools.ts'
import type { IPPoolResource } from '../resources/index.ts'

/**
 * Pools to take addresses from, for IPAM: those asked for, and for a family without a wish those that serve whoever asks for none.
 * Undefined: no wish at all. Throws where a list names a pool of the other family.
 */
export function askedPools(
  { pools: asked }: AddRequest,
  all: readonly IPPoolResource[],
): readonly string[] | undefined {
  if (!asked?.[4] && !asked?.[6]) return undefined
  return ([4, 6] as const).flatMap(family => {
    const ofFamily = all.filter(({ spec }) => spec.cidr.includes(':') === (family === 6))
    const names = asked[family]
    if (!names)
      return ofFamily
        .filter(({ spec }) => spec.assignmentMode === 'Automatic')
        .map(({ metadata }) => metadata.name)
        .toSorted()
    const other = all.find(pool => !ofFamily.includes(pool) && names.some(name => isCalled(pool, name)))
    if (other)
      throw new CniError(
        code.invalidConfig,
        `Network configuration: ipv${family}_pools names pool ${other.metadata.name}, which has IPv${family === 4 ? 6 : 4} addresses (${other.spec.cidr}).`,
        `Name it in ipv${family === 4 ? 6 : 4}_pools.`,
      )
    return names
  })
}

/**
 * Families that a pod gets an address of: those it asks for an address of or names pools of, and those that pods of its namespace get. So
 * a wish for one family takes nothing from the other, as with host-local.
 */
export function askedFamilies({ pools, addresses }: AddRequest, others: readonly IpFamily[]): readonly IpFamily[] {
  const asked = addresses.map(familyOf)
  return ([4, 6] as const).filter(
    family => asked.includes(family) || pools?.[family] !== undefined || others.includes(family),
  )
}

/** Throws where several addresses of one family are asked for. */
export function requireOneOfEach(addresses: readonly string[], pod: string): void {
  const families = addresses.map(familyOf)
  const doubled = families.find((family, i) => families.indexOf(family) !== i)
  if (doubled !== undefined)
    throw new CniError(
      code.invalidConfig,
      `pod ${pod} asks for several IPv${doubled} addresses (${addresses.join(', ')}), and an interface has one of each family`,
      'Ask for one.',
    )
}

/** Routes of the pod's end. Throws where one has a gateway that a pod does not have. */
export function askedRoutes({ routes = [] }: AddRequest): Pick<Endpoint, 'routes'> {
  if (routes.length === 0) return {}
  const made = routes.map(({ dst, gateway, mtu, metric }): PodRoute => {
    const own = gatewayOf(dst)
    if (gateway !== undefined && gateway !== own)
      throw new CniError(
        code.invalidConfig,
        `Network configuration: ipam.routes ${dst} has gw ${gateway}, and a pod's only neighbour is its node, ${own}.`,
        'Leave gw out: the node knows the way on.',
      )
    return { dst, ...(mtu !== undefined && { mtu }), ...(metric !== undefined && { metric }) }
  })
  const twice = made.find(
    (route, i) => made.findIndex(each => each.dst === route.dst && each.metric === route.metric) !== i,
  )
  if (twice)
    throw new CniError(
      code.invalidConfig,
      `Network configuration: ipam.routes has ${twice.dst} twice.`,
      'Leave one out, or give it another priority.',
    )
  return { routes: made }
}

/**
 * Settings by path under /proc/sys. `allowed`: names as in margayd.yaml, which may end in `*`. Throws for one that none of them covers.
 */
export function askedSysctls(
  { sysctls = {}, ifName }: AddRequest,
  allowed: readonly string[],
): Pick<Endpoint, 'sysctls'> {
  const names = Object.keys(sysctls)
  if (names.length === 0) return {}
  const foreign = names.find(name => !allowed.some(each => covers(each, name)))
  if (foreign !== undefined)
    throw new CniError(
      code.invalidConfig,
      `sysctl ${foreign}: it is none of those that a pod may ask for on this node (${allowed.join(', ')}).`,
      'Leave it out, or add it to cni.sysctls of margayd.yaml.',
    )
  const paths = names.map(name => {
    const words = name.split('.').map(word => (word === 'IFNAME' ? ifName : word))
    return [words.join('/'), sysctls[name] ?? '']
  })
  return { sysctls: Object.fromEntries(paths) as Endpoint['sysctls'] }
}

const covers = (allowed: string, name: string): boolean =>
  allowed.endsWith('*') ? name.startsWith(allowed.slice(0, -1)) : allowed === name

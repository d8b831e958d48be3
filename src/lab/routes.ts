// What a namespace's kernel has in its main routing table, as `ip -json route` tells it, and, for whoever waits, the prefixes alone.

import { open } from '../../netlink/index.ts'
import { netnsPath } from './processes.ts'
import { run } from './run.ts'

export interface KernelRoute {
  /** `10.42.0.0/26`; a host route with its length; `default`. */
  readonly dst: string
  /** `unicast` is left out by ip: absent. */
  readonly type?: string
  readonly gateway?: string
  readonly dev?: string
  /** `81`, `bird`, `kernel`. */
  readonly protocol?: string
  readonly scope?: string
  readonly metric?: number
  /** In the place of `gateway` where that is of the other address family. */
  readonly via?: { readonly family: string; readonly host: string }
  /** Of a next hop: its share of the load. */
  readonly weight?: number
  readonly nexthops?: readonly Pick<KernelRoute, 'gateway' | 'via' | 'dev' | 'weight'>[]
}

/** Both families. */
export async function kernelRoutes(netns: string): Promise<readonly KernelRoute[]> {
  const families = await Promise.all(
    (['-4', '-6'] as const).map(async family => {
      const text = await run(['ip', '-netns', netns, '-json', family, 'route', 'show', 'table', 'main'])
      const bits = family === '-4' ? 32 : 128
      return (JSON.parse(text || '[]') as KernelRoute[]).map(route => ({
        ...route,
        dst: route.dst === 'default' || route.dst.includes('/') ? route.dst : `${route.dst}/${bits}`,
      }))
    }),
  )
  return families.flat()
}

/** Prefixes to which there are routes, both families. To ask the kernel is a hundredth of the work that two programs are. */
export async function destinations(netns: string): Promise<ReadonlySet<string>> {
  await using netlink = await open({ netns: netnsPath(netns) })
  return new Set((await netlink.routes()).map(route => route.dst))
}

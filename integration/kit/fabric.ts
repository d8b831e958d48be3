// What has to be true of a fabric in which every node has several ways out.

import type { Test } from 'tap'
import type { KernelRoute } from '../../src/lab/routes.ts'
import { blocksOf } from './expect.ts'
import { eventually, type TestLab } from './lab.ts'

/** Seconds, for a machine that is busy with much else. */
const patience = 90

/** Next hops of a route, `via GATEWAY dev DEVICE`, sorted; gateways of the other address family as well. */
export function hopsOf(route: KernelRoute | undefined): readonly string[] {
  if (!route) return []
  const hops = route.nexthops ?? [route]
  return hops.map(hop => `via ${hop.gateway ?? hop.via?.host ?? 'nobody'} dev ${hop.dev}`).toSorted()
}

/** Undefined: any, as long as there is a route. */
export type Hops = (family: 'ipv4' | 'ipv6') => readonly string[] | undefined

/** Blocks stay with their nodes while a fabric is broken and mended. */
const blocks = new WeakMap<TestLab, ReturnType<typeof blocksOf>>()

function knownBlocks(lab: TestLab): ReturnType<typeof blocksOf> {
  const known = blocks.get(lab) ?? blocksOf(lab)
  blocks.set(lab, known)
  return known
}

/** Waits until a host's kernel leads to the blocks of these nodes by these next hops and no others. */
export async function reaches(lab: TestLab, host: string, wanted: Readonly<Record<string, Hops>>): Promise<void> {
  const owned = await knownBlocks(lab)
  const targets = Object.entries(wanted).flatMap(([owner, hops]) =>
    (owned.get(owner) ?? []).map(block => ({ block, hops: hops(block.includes(':') ? 'ipv6' : 'ipv4') })),
  )
  if (targets.length < Object.keys(wanted).length)
    throw new Error(`a node of ${Object.keys(wanted).join()} has no block`)
  let wrong: readonly string[] = []
  const isSo = async (): Promise<boolean> => {
    const routes = await lab.routes(host)
    wrong = targets.flatMap(({ block, hops }) => {
      const has = hopsOf(routes.find(route => route.dst === block && route.type !== 'unreachable')).join(', ')
      return has === (hops?.toSorted().join(', ') ?? (has || undefined)) ? [] : [`${block} ${has || 'by nobody'}`]
    })
    return wrong.length === 0
  }
  await eventually(`${host} reaches them`, isSo, patience).catch(() => {
    throw new Error(`after ${patience} s ${host} reaches ${Object.keys(wanted).join()} otherwise: ${wrong.join('; ')}`)
  })
}

/** Pods that ping each other without a break and without a loss, a hundred times. */
export async function losesNothing(
  t: Test,
  lab: TestLab,
  pairs: readonly (readonly [string, string])[],
): Promise<void> {
  const pings = pairs.flatMap(([from, to]) =>
    Object.values(lab.addresses(to)).map(address => ({
      name: `${from} to ${to} (${address})`,
      ended: lab.exec(from, 'ping', '-n', '-q', '-c', '100', '-i', '0.01', address as string),
    })),
  )
  for (const { name, ended } of pings) t.match(await ended, /100 received, 0% packet loss/, name)
}

/** Whether both of several next hops are taken, by asking the kernel for the way of many flows. */
export async function sharesLoad(lab: TestLab, host: string, to: string, devices: readonly string[]): Promise<boolean> {
  const flows = Array.from({ length: 64 }, (_, i) => `route get ${to} ipproto udp sport ${30_000 + i} dport 53`).join(
    '\n',
  )
  const ways = await lab.exec(host, 'sh', '-c', `echo '${flows}' | ip -batch -`)
  return devices.every(device => ways.includes(` dev ${device} `))
}

/** LOCAL_PREF that a router gives to the path to a block which it has from a neighbour. */
export async function localPrefOf(lab: TestLab, router: string, block: string): Promise<number | undefined> {
  const { kind } = lab.topology.routers.find(each => each.host === router)!
  if (kind === 'bird') {
    const [, value] = /local_pref: (\d+)/.exec(await lab.exec(router, 'birdc', 'show', 'route', 'all', block)) ?? []
    return value === undefined ? undefined : Number(value)
  }
  const family = block.includes(':') ? 'ipv6' : 'ipv4'
  const shown = await lab.exec(router, 'vtysh', '-c', `show bgp ${family} unicast ${block} json`)
  const { paths = [] } = JSON.parse(shown) as { paths?: { locPrf?: number; bestpath?: object }[] }
  const best = paths.find(path => path.bestpath) ?? paths[0]
  return best && (best.locPrf ?? 100)
}

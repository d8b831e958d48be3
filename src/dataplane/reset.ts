// Every object of ours in the kernel, and how it goes (docs/design.md, "Kernel objects").
//
// For a node that leaves: nobody runs here. What is told is what will go; what others made is neither told nor touched, and a thing
// that only resembles ours (our name on another kind of device, our table under another comment) is others'.

import type { FouPort } from '../../netlink/generic/fou-types.ts'
import type { Link, Operation, Route, Rtnetlink } from '../../netlink/types.ts'
import { isOurDevice } from './encapsulation/kinds.ts'
import { receivePorts, removeReceivePorts } from './encapsulation/receive-ports.ts'
import { isHostDevice } from './endpoints/names.ts'
import { findOurs, type Ours, removeOurs } from './filters/our-rules.ts'
import { ourComment, ourTable } from './filters/table.ts'
import type { Kernel, Sysctl } from './kernel.ts'
import { defaultMark, deletionOf, isMarked, type Mark } from './routes/route.ts'
import { isKernels } from './routes/sentences.ts'
import { type Stacked, stackedOn } from './stacked.ts'

export interface KernelObjects {
  readonly routes: readonly Route[]
  /** Host ends of pods. With them go the pods' own ends: such a pod has no network afterwards. */
  readonly pods: readonly Link[]
  /** With them go their addresses, neighbours and forwarding entries. */
  readonly tunnels: readonly Link[]
  /** Devices of others that stand on one of ours and would go with it: ours stays while they are there. */
  readonly stacked: readonly Stacked[]
  /** Routes of others that leave by a device of ours: the kernel takes them out with it. */
  readonly lost: readonly Route[]
  /** Chains of iptables with rules of ours (`forwardAccept`). */
  readonly iptables: readonly Ours[]
  /** UDP ports that unwrap tunnelled packets. */
  readonly ports: readonly FouPort[]
  /** Whether our nftables table is there. */
  readonly filters: boolean
  /** Values from before our change, in the order in which to write them; those that somebody has changed since are not ours any more. */
  readonly sysctls: readonly Sysctl[]
}

/** `remembered`: what the node's store says of settings before our change. Rejects if the kernel cannot be read. */
export async function findObjects(
  kernel: Kernel,
  remembered: readonly Sysctl[],
  given: Partial<Mark> = {},
): Promise<KernelObjects> {
  const mark = { ...defaultMark, ...given }
  await using socket = await kernel.open()
  const links = await socket.links()
  const routes = await socket.routes({ table: 0 })
  const pods = links.filter(isHostDevice)
  const tunnels = links.filter(isOurDevice)
  const stacked = stackedOn([...pods, ...tunnels], links)
  return {
    routes: routes.filter(route => isMarked(route, mark) && route.from === undefined),
    pods,
    tunnels,
    stacked,
    lost: routesBy(
      [...pods, ...tunnels].filter(link => !stacked.some(({ on }) => on === link)),
      routes,
      mark,
    ),
    iptables: await rulesInIptables(kernel),
    ports: await receivePorts(() => kernel.openFou()),
    filters: await hasFilters(kernel),
    sysctls: await changedByUs(kernel, remembered),
  }
}

/** Removes them. Returns sentences for what the kernel refused; the rest is gone. */
export async function removeObjects(kernel: Kernel, objects: KernelObjects): Promise<readonly string[]> {
  await using socket = await kernel.open()
  return [
    ...(await removeRoutes(socket, objects.routes)),
    ...objects.stacked.map(
      ({ name, on }) =>
        `device ${on.name} stays: ${name}, which is another's, stands on it and would go with it. Remove that one (ip link delete ${name}), then reset again.`,
    ),
    ...(await removeLinks(
      socket,
      [...objects.pods, ...objects.tunnels].filter(link => !objects.stacked.some(({ on }) => on === link)),
    )),
    ...(kernel.iptables ? await removeOurs(kernel.iptables, objects.iptables) : []),
    ...(objects.ports.length > 0
      ? await removeReceivePorts(
          () => kernel.openFou(),
          () => true,
        )
      : []),
    ...(objects.filters ? await removeFilters(kernel) : []),
    ...(await kernel.writeSysctls(objects.sysctls)),
  ]
}

/** Neither ours nor the kernel's own, which come and go with addresses. */
function routesBy(devices: readonly Link[], routes: readonly Route[], mark: Mark): readonly Route[] {
  const indices = new Set(devices.map(({ index }) => index))
  return routes.filter(
    route => !isMarked(route, mark) && !isKernels(route) && route.nextHops.some(({ link }) => indices.has(link ?? 0)),
  )
}

async function removeRoutes(socket: Rtnetlink, routes: readonly Route[]): Promise<readonly string[]> {
  const results = await socket.apply(
    routes.map((route): Operation => ({ do: 'route.delete', route: deletionOf(route) })),
  )
  return results.flatMap((result, i) =>
    result.ok || result.errno === 'ESRCH' ? [] : [`route ${routes[i].dst} stays: the kernel says ${result.text}`],
  )
}

async function removeLinks(socket: Rtnetlink, links: readonly Link[]): Promise<readonly string[]> {
  const results = await socket.apply(links.map(({ index }): Operation => ({ do: 'link.delete', link: index })))
  return results.flatMap((result, i) =>
    result.ok || result.errno === 'ENODEV' ? [] : [`device ${links[i].name} stays: the kernel says ${result.text}`],
  )
}

async function hasFilters(kernel: Kernel): Promise<boolean> {
  try {
    await using netfilter = await kernel.openNetfilter()
    return (await netfilter.tables()).some(
      ({ family, name, comment }) => family === ourTable.family && name === ourTable.name && comment === ourComment,
    )
  } catch {
    return false // a kernel without nftables has no table of ours
  }
}

async function rulesInIptables(kernel: Kernel): Promise<readonly Ours[]> {
  if (!kernel.iptables) return []
  try {
    await using netfilter = await kernel.openNetfilter()
    return await findOurs(netfilter, kernel.iptables)
  } catch {
    return [] // a kernel without nftables
  }
}

async function removeFilters(kernel: Kernel): Promise<readonly string[]> {
  await using netfilter = await kernel.openNetfilter()
  const result = await netfilter.remove(ourTable)
  return result.ok || result.errno === 'ENOENT'
    ? []
    : [`nftables table ${ourTable.family} ${ourTable.name} stays: the kernel says ${result.text}`]
}

/** Forwarding goes back before accept_ra does, or the node would lose a default route that it has by router advertisement. */
async function changedByUs(kernel: Kernel, remembered: readonly Sysctl[]): Promise<readonly Sysctl[]> {
  const found = await kernel.readSysctls(remembered.map(({ name }) => name))
  const changed = remembered.filter(
    ({ name, value }, i) => valuesOfOurs(name).includes(found[i] ?? '') && found[i] !== value,
  )
  return [...changed.filter(({ name }) => !isAcceptRa(name)), ...changed.filter(({ name }) => isAcceptRa(name))]
}

function valuesOfOurs(name: string): readonly string[] {
  if (name.endsWith('/rp_filter')) return ['2', '0']
  return isAcceptRa(name) ? ['2'] : ['1']
}

function isAcceptRa(name: string): boolean {
  return name.endsWith('/accept_ra')
}

// CNI CHECK's eyes: is the attachment still as it was made? What others added beside it does not matter, and a chained plugin may have
// changed the pod's MAC and MTU: they are compared where somebody asked for them.

import { setTimeout as sleep } from 'node:timers/promises'
import type { InterfaceAddress, Link, Neighbour, Route, Rtnetlink } from '../../../netlink/types.ts'
import { type Endpoint, endpointName, type PodRoute, hostMac } from '../../model/endpoint.ts'
import type { Kernel, Sysctl } from '../kernel.ts'
import { isHostDevice } from './names.ts'
import { reversePathFilter } from './source-check.ts'
import * as wiring from './wiring.ts'

export interface EndpointProblem {
  readonly part: 'netns' | 'host device' | 'pod device' | 'address' | 'pod route' | 'gateway' | 'host route' | 'sysctl'
  /** One sentence with the next step. */
  readonly text: string
}

/** What of the pod's device was asked for: what it may be beside what is recorded. Absent: it may be anything. */
export interface Asked {
  readonly macs?: readonly string[]
  readonly mtus?: readonly number[]
}

/** Every way in which the kernel differs from the record. */
export async function checkEndpoint(
  kernel: Kernel,
  endpoint: Endpoint,
  asked: Asked = {},
): Promise<readonly EndpointProblem[]> {
  if ((await kernel.identify(endpoint.netns)) === undefined)
    return [problem(endpoint, 'netns', `${endpoint.netns} is no network namespace any more`)]
  await using node = await kernel.open()
  await using pod = await kernel.open(endpoint.netns)
  return [...(await checkHost(kernel, node, endpoint)), ...(await checkPod(kernel, node, pod, endpoint, asked))]
}

async function checkHost(kernel: Kernel, node: Rtnetlink, endpoint: Endpoint): Promise<EndpointProblem[]> {
  const host = await node.link(endpoint.hostDevice)
  if (!host || !isHostDevice(host))
    return [problem(endpoint, 'host device', `the node has no device ${endpoint.hostDevice} of ours`)]
  const problems = host.up ? [] : [problem(endpoint, 'host device', `${host.name} is down`)]
  problems.push(...(await checkRoutes(node, endpoint, host)))
  const rpFilter = await reversePathFilter(kernel, endpoint)
  const settings = wiring.hostSettings(host.name, wiring.familiesOf(endpoint.addresses), rpFilter)
  return [...problems, ...(await checkSettings(kernel, endpoint, settings))]
}

/** A route that somebody took away is back within a second: a pod need not go for that. */
const LOOKS = 4
const BETWEEN_LOOKS = 400

async function checkRoutes(node: Rtnetlink, endpoint: Endpoint, host: Link): Promise<EndpointProblem[]> {
  for (let look = 1; ; look++) {
    const routes = await node.routes({ table: 0 })
    const problems = wiring.endpointRoutes(endpoint).flatMap(({ prefix }) => {
      const wrong = wrongWith(prefix, routes, host)
      return wrong === undefined
        ? []
        : [
            problem(
              endpoint,
              'host route',
              wrong,
              'margayd cannot put that right: margayctl status says what is in its way',
            ),
          ]
    })
    if (problems.length === 0 || look === LOOKS) return problems
    await sleep(BETWEEN_LOOKS)
  }
}

/** The route to a pod has to be there, and the first of its table: the kernel takes the one with the least metric. */
function wrongWith(prefix: string, routes: readonly Route[], host: Link): string | undefined {
  const all = routes.filter(route => route.dst === prefix && route.from === undefined)
  const ours = all.find(route => leavesBy(route, host))
  if (!ours) return `the node has no route ${prefix} dev ${host.name}`
  const first = all.find(route => route.table === ours.table && (route.metric ?? 0) < (ours.metric ?? 0))
  if (!first || leavesBy(first, host)) return undefined
  const kind = first.type === undefined || first.type === 'unicast' ? '' : `${first.type} `
  return `a route of another owner comes before that of the pod: ${kind}${prefix} metric ${first.metric ?? 0} proto ${first.protocol ?? 0}`
}

async function checkPod(
  kernel: Kernel,
  node: Rtnetlink,
  pod: Rtnetlink,
  endpoint: Endpoint,
  asked: Asked,
): Promise<EndpointProblem[]> {
  const [host, far] = await Promise.all([node.link(endpoint.hostDevice), pod.link(endpoint.ifName)])
  if (!far) return [problem(endpoint, 'pod device', `the pod has no device ${endpoint.ifName}`)]
  const problems: EndpointProblem[] = []
  if (host && far.peerIndex !== host.index)
    problems.push(problem(endpoint, 'pod device', `${far.name} is not the other end of ${host.name}`))
  if (!far.up) problems.push(problem(endpoint, 'pod device', `${far.name} is down`))
  problems.push(...checkAsked(far, endpoint, asked))
  const [addresses, routes] = [await pod.addresses(), await pod.routes()]
  for (const address of endpoint.addresses.map(wiring.hostCidr))
    if (!holds(addresses, far, address)) problems.push(problem(endpoint, 'address', `${far.name} lacks ${address}`))
  // Of a pod whose record was lost it is not known which routes, and which settings, were asked for.
  const wanted: readonly PodRoute[] = endpoint.isPartial
    ? []
    : [...wiring.podRoutes(endpoint), ...(wiring.hasGatewayRoute(endpoint) ? [{ dst: `${wiring.gateway4}/32` }] : [])]
  for (const { dst, metric } of wanted)
    if (!routes.some(route => route.dst === dst && leavesBy(route, far) && (metric ?? route.metric) === route.metric))
      problems.push(problem(endpoint, 'pod route', `the pod has no route ${dst} dev ${far.name}`))
  // Nobody answers for it: the entry goes with the device's MAC, or when the device is set down.
  const { v4, v6 } = wiring.familiesOf(endpoint.addresses)
  if (v4 && permanent(await pod.neighbours(4), far, wiring.gateway4)?.mac !== hostMac)
    problems.push(
      problem(endpoint, 'gateway', `the pod has no permanent neighbour ${wiring.gateway4} dev ${far.name}, so no IPv4`),
    )
  // For IPv6's the node answers; but who has put another in its place is believed before it.
  const answers = v6 && permanent(await pod.neighbours(6), far, wiring.gateway6)
  if (answers && answers.mac !== hostMac)
    problems.push(
      problem(
        endpoint,
        'gateway',
        `the pod's permanent neighbour ${wiring.gateway6} dev ${far.name} has the MAC ${answers.mac ?? 'none'}, not ${hostMac}, so no IPv6`,
      ),
    )
  // A pod may forward if it likes.
  const settings = wiring.podSettings(endpoint, false)
  return [...problems, ...(await checkSettings(kernel, endpoint, settings, endpoint.netns))]
}

function checkAsked(far: Link, endpoint: Endpoint, { macs, mtus }: Asked): EndpointProblem[] {
  const problems: EndpointProblem[] = []
  // Of a pod whose record was lost it may not be known what ADD made.
  const mayHave = macs && [...(endpoint.mac === undefined ? [] : [endpoint.mac]), ...macs]
  if (mayHave && mayHave.length > 0 && !mayHave.includes(far.mac ?? ''))
    problems.push(problem(endpoint, 'pod device', `${far.name} has the MAC ${far.mac ?? 'none'}, not ${mayHave[0]}`))
  if (mtus && ![endpoint.mtu, ...mtus].includes(far.mtu))
    problems.push(problem(endpoint, 'pod device', `${far.name} has an MTU of ${far.mtu}, not ${endpoint.mtu}`))
  return problems
}

async function checkSettings(
  kernel: Kernel,
  endpoint: Endpoint,
  settings: readonly Sysctl[],
  netns?: string,
): Promise<EndpointProblem[]> {
  const names = settings.map(setting => setting.name)
  const values = await kernel.readSysctls(names, netns)
  return settings.flatMap(({ name, value, optional }, i) =>
    values[i] === value || (optional && values[i] === undefined)
      ? []
      : [problem(endpoint, 'sysctl', `${name} is ${values[i] ?? 'absent'}, not ${value}`)],
  )
}

function holds(addresses: readonly InterfaceAddress[], link: Link, address: string): boolean {
  return addresses.some(({ link: on, cidr }) => on === link.index && cidr === address)
}

/** The pod's entry for a gateway, if it is one that the kernel does not learn anew. */
function permanent(neighbours: readonly Neighbour[], far: Link, gateway: string): Neighbour | undefined {
  return neighbours.find(
    ({ link, address, state }) => link === far.index && address === gateway && state === 'permanent',
  )
}

function leavesBy(route: Route, link: Link): boolean {
  return route.nextHops.some(hop => hop.link === link.index)
}

function problem(
  endpoint: Endpoint,
  part: EndpointProblem['part'],
  what: string,
  next = 'delete the pod and start it again',
): EndpointProblem {
  return { part, text: `endpoint ${endpointName(endpoint)}: ${what}; ${next}` }
}

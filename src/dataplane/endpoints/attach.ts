// How a pod is attached, and how that is undone: the kernel's part of CNI ADD.
//
// What counts is how little is asked. A runtime starts many pods at once, on a machine that has other work, and every question is a
// switch to the socket's thread and back. So the kernel hears three things of a pod: the pair, whose far end comes to be in the pod's
// namespace, and what is in the pod already; settings of both ends; addresses and routes of both ends. IPv4's settings of the host end go
// along as netlink, for a path under /proc/sys/net is looked up in a list as long as there are namespaces. The host end is up from its
// first moment: nothing passes before the pod's end is up, too, which is last.

import { randomBytes } from 'node:crypto'
import type { Link, Operation, Rtnetlink } from '../../../netlink/types.ts'
import { type Endpoint, endpointName, hostMac } from '../../model/endpoint.ts'
import { ensureSysctls, type Kernel } from '../kernel.ts'
import type { RouteTable } from '../routes/route-table.ts'
import { setAsked } from './asked-sysctls.ts'
import type { DeviceDeletion } from './delete.ts'
import { Refused } from './errors.ts'
import { reversePathFilter } from './source-check.ts'
import type { PodSources } from './sources.ts'
import * as wiring from './wiring.ts'

export interface Attached {
  readonly attached: Endpoint
  /** Of the host end. */
  readonly index: number
}

export class Attacher {
  readonly #kernel: Kernel
  readonly #routes: RouteTable
  readonly #deletion: DeviceDeletion
  #node: Promise<Rtnetlink> | undefined

  constructor(kernel: Kernel, routes: RouteTable, deletion: DeviceDeletion) {
    this.#kernel = kernel
    this.#routes = routes
    this.#deletion = deletion
  }

  /** Wholly or not at all. Throws `Refused`, or what the kernel's socket does. */
  async attach(asked: Endpoint, sources: PodSources): Promise<Attached> {
    const node = await this.#socket()
    await using pod = await this.#kernel.open(asked.netns)
    const found = lookAt(pod, asked)
    found.catch(() => undefined) // it is awaited below
    const host = await this.#make(node, asked)
    try {
      const { withoutDefault, forwards } = await found
      const endpoint: Endpoint = {
        ...asked,
        mac: asked.mac ?? host.farMac,
        ...(withoutDefault.length > 0 && { withoutDefault }),
      }
      const own = wiring.podSettings(endpoint, forwards && !withoutDefault.includes(4))
      const [, sysctls] = await Promise.all([this.#setHost(node, endpoint, host), this.#setPod(endpoint, own)])
      await Promise.all([
        this.#route(endpoint, host.link, sources),
        apply(pod, endpoint, 'set up the pod end', wiring.podOperations(host.farIndex, endpoint)),
      ])
      return { attached: { ...endpoint, ...sysctls }, index: host.link.index }
    } catch (thrown) {
      this.#routes.patch(
        'endpoint',
        wiring.endpointRoutes(asked).map(({ prefix }) => ({ prefix })),
      )
      await this.#deletion.delete(asked.hostDevice)
      throw thrown
    }
  }

  async close(): Promise<void> {
    await (await this.#node?.catch(() => undefined))?.close()
  }

  #socket(): Promise<Rtnetlink> {
    this.#node ??= this.#kernel.open()
    this.#node.catch(() => (this.#node = undefined))
    return this.#node
  }

  /** A device of this key without a record is what a killed process left behind; it goes. */
  async #make(node: Rtnetlink, endpoint: Endpoint) {
    const farMac = endpoint.mac ?? someMac()
    for (let isClear = false; ; isClear = true) {
      // The answer to the first is not waited for: the socket keeps the order.
      const [[made], link] = await Promise.all([
        node.apply([pairOf({ ...endpoint, mac: farMac })]),
        node.link(endpoint.hostDevice),
      ])
      if (made.ok && link) return { link, farMac, farIndex: link.peerIndex ?? link.index }
      if (made.ok)
        throw new Refused(
          'netns-missing',
          `endpoint ${endpointName(endpoint)}: the pod's namespace went away meanwhile; start it again`,
        )
      if (made.errno !== 'EEXIST') throw refusal(endpoint, 'make the veth pair', made)
      if (!link || isClear)
        throw new Refused(
          'interface-exists',
          `endpoint ${endpointName(endpoint)}: the pod has a device ${endpoint.ifName} already, which is left as it is; choose another interface name`,
        )
      const outcome = await this.#deletion.delete(link.name)
      if (!outcome.ok) throw new Refused(outcome.error.code, outcome.error.text)
    }
  }

  async #setHost(node: Rtnetlink, endpoint: Endpoint, { link }: { readonly link: Link }): Promise<void> {
    const families = wiring.familiesOf(endpoint.addresses)
    const rpFilter = await reversePathFilter(this.#kernel, endpoint)
    const { change, files } = wiring.hostStart(link.name, families, rpFilter)
    const quiet: Operation = { do: 'link.set', link: link.index, change: { ipv6Addresses: 'none' } }
    const [[, ...results]] = await Promise.all([
      // Where IPv6 is switched off there are no such addresses anyway.
      node.apply([quiet, ...(change ? [{ do: 'link.set', link: link.index, change } as const] : [])]),
      this.#set(endpoint, files),
    ])
    const failed = results.find(result => !result.ok)
    if (failed && !failed.ok) throw refusal(endpoint, 'set up the host end', failed)
    if (families.v6) await apply(node, endpoint, 'set up the host end', [wiring.gatewayOperation(link.index)])
  }

  async #setPod(endpoint: Endpoint, settings: Parameters<Kernel['writeSysctls']>[0]) {
    const own = settings.filter(({ name }) => endpoint.sysctls?.[name] === undefined)
    if (own.length > 0) await this.#set(endpoint, own, endpoint.netns)
    return setAsked(this.#kernel, endpoint, endpointName(endpoint))
  }

  /** One is written unseen: looking would cost as much. Some of IPv6 take the kernel's big lock when they are written, even as they are. */
  async #set(endpoint: Endpoint, settings: Parameters<Kernel['writeSysctls']>[0], netns?: string): Promise<void> {
    const failed =
      settings.length > 1
        ? (await ensureSysctls(this.#kernel, settings, netns)).failed
        : await this.#kernel.writeSysctls(settings, netns)
    if (failed.length > 0)
      throw new Refused(
        'kernel-refused',
        `endpoint ${endpointName(endpoint)}: ${failed[0]}; check that /proc/sys is writable`,
      )
  }

  async #route(endpoint: Endpoint, link: Link, sources: PodSources): Promise<void> {
    this.#routes.learnLink(link)
    const entries = wiring.endpointRoutes(endpoint, sources)
    this.#routes.patch(
      'endpoint',
      entries.map(entry => ({ prefix: entry.prefix, entry })),
    )
    const results = await this.#routes.settle(entries.map(entry => entry.prefix))
    const bad = results.find(result => result.state !== 'installed')
    if (bad)
      throw new Refused(
        bad.state === 'conflict' ? 'route-conflict' : 'kernel-refused',
        `endpoint ${endpointName(endpoint)}: ${bad.text ?? `route ${bad.prefix} is ${bad.state}; try again`}`,
      )
  }
}

/** Of which of its families the pod has a default route by another interface, so that its next one makes none; whether it forwards. */
async function lookAt(pod: Rtnetlink, { addresses }: Endpoint) {
  const { v4, v6 } = wiring.familiesOf(addresses)
  const families = [...(v4 ? [4 as const] : []), ...(v6 ? [6 as const] : [])]
  const [netconf, ...routes] = await Promise.all([
    v4 ? pod.netconf(4, 'all') : undefined,
    ...families.map(family => pod.routes({ family })),
  ])
  const taken = new Set(routes.flat().map(route => route.dst))
  return {
    withoutDefault: families.filter(family => taken.has(family === 4 ? '0.0.0.0/0' : '::/0')),
    forwards: netconf?.forwarding !== false,
  }
}

/** With its MAC given by us, the kernel need not be asked for it. Locally administered, of one station (IEEE 802). */
function someMac(): string {
  const octets = randomBytes(6)
  octets[0] = (octets[0] & 0xfc) | 0x02
  return octets.toString('hex').replaceAll(/..\B/g, '$&:')
}

function pairOf({ hostDevice, ifName, netns, mtu, mac }: Endpoint & { readonly mac: string }): Operation {
  const peer = { name: ifName, netns, mtu, mac }
  return { do: 'link.add', link: { kind: 'veth', name: hostDevice, mac: hostMac, mtu, up: true, peer } }
}

async function apply(
  where: Rtnetlink,
  endpoint: Endpoint,
  what: string,
  operations: readonly Operation[],
): Promise<void> {
  for (const [i, result] of (await where.apply(operations)).entries()) {
    if (result.ok) continue
    const operation = operations[i]
    if (operation.do === 'route.add' && result.errno === 'EEXIST')
      throw new Refused(
        'interface-exists',
        `endpoint ${endpointName(endpoint)}: the pod has a route ${operation.route.dst} already, by another interface or another of its own; give this one another priority in ipam.routes of the network, or leave it out`,
      )
    throw refusal(endpoint, what, result)
  }
}

function refusal(endpoint: Endpoint, what: string, { errno, text }: { readonly errno: string; readonly text: string }) {
  return new Refused(
    'kernel-refused',
    `endpoint ${endpointName(endpoint)}: the kernel did not ${what} (${errno}: ${text}); nothing was left behind`,
  )
}

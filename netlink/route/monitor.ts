// Multicast groups of rtnetlink, and who has subscribed to them. The kernel's group is joined for the first subscriber of it and
// left with the last; an event goes to those who asked for its group.

import { type Message, readMessages } from '../core/reader.ts'
import type { NetlinkSocket } from '../core/socket.ts'
import type { Group, NetlinkEvent } from '../types.ts'
import { readAddress } from './address.ts'
import { readFdbEntry } from './fdb.ts'
import { readLink } from './link.ts'
import { readNeighbour } from './neighbour.ts'
import { readNetconf } from './netconf.ts'
import { readRoute } from './route.ts'
import { readRule } from './rule.ts'
import { AF_INET6, del, rtm } from './values.ts'

type Handler = (event: NetlinkEvent) => void

/** enum rtnetlink_groups */
const groupNumbers: Readonly<Record<Group, number>> = {
  link: 1,
  neighbour: 3,
  address4: 5,
  route4: 7,
  rule4: 8,
  address6: 9,
  route6: 11,
  rule6: 19,
  netconf4: 24,
  netconf6: 25,
}

interface Subscription {
  readonly groups: ReadonlySet<Group>
  readonly handler: Handler
}

export class Monitor {
  readonly #socket: NetlinkSocket
  readonly #subscriptions = new Set<Subscription>()
  readonly #members = new Map<Group, number>()
  #silence: (() => void) | undefined

  constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  async watch(groups: readonly Group[], handler: Handler): Promise<() => Promise<void>> {
    for (const group of groups)
      if (!(group in groupNumbers))
        throw new TypeError(`group "${group}" is none of ${Object.keys(groupNumbers).join(', ')}`)
    const subscription: Subscription = { groups: new Set(groups), handler }
    this.#subscriptions.add(subscription)
    this.#silence ??= this.#socket.listen({
      events: bytes => readMessages(bytes, message => this.#dispatch(message)),
      overrun: () => {
        for (const { handler } of this.#subscriptions) deliver(handler, { type: 'overrun' })
      },
    })
    try {
      await Promise.all([...subscription.groups].map(group => this.#count(group, 1)))
    } catch (error) {
      this.#forget(subscription)
      throw error
    }
    return async () => {
      if (!this.#forget(subscription)) return
      if (this.#socket.closed) return
      await Promise.all([...subscription.groups].map(group => this.#count(group, -1)))
    }
  }

  #forget(subscription: Subscription): boolean {
    const known = this.#subscriptions.delete(subscription)
    if (this.#subscriptions.size === 0) {
      this.#silence?.()
      this.#silence = undefined
    }
    return known
  }

  /** Always asks, also where the group is joined already: the answer comes after the first subscriber's. */
  async #count(group: Group, change: 1 | -1): Promise<void> {
    const count = (this.#members.get(group) ?? 0) + change
    this.#members.set(group, count)
    if (change === -1 && count > 0) return
    try {
      await this.#socket.setMembership(groupNumbers[group], change === 1)
    } catch (error) {
      this.#members.set(group, (this.#members.get(group) ?? 0) - change)
      throw error
    }
  }

  #dispatch(message: Message): void {
    const read = readEvent(message)
    if (!read) return
    for (const { groups, handler } of this.#subscriptions) if (groups.has(read.group)) deliver(handler, read.event)
  }
}

function readEvent(message: Message): { group: Group; event: NetlinkEvent } | undefined {
  const six = message.to > message.from && message.view.getUint8(message.from) === AF_INET6
  switch (message.type) {
    case rtm.link:
    case rtm.link + del: {
      const link = readLink(message)
      return link && { group: 'link', event: { type: message.type === rtm.link ? 'link.put' : 'link.delete', link } }
    }
    case rtm.address:
    case rtm.address + del: {
      const address = readAddress(message)
      const type = message.type === rtm.address ? 'address.put' : 'address.delete'
      return address && { group: six ? 'address6' : 'address4', event: { type, address } }
    }
    case rtm.route:
    case rtm.route + del: {
      const route = readRoute(message)
      const type = message.type === rtm.route ? 'route.put' : 'route.delete'
      return route && { group: six ? 'route6' : 'route4', event: { type, route } }
    }
    case rtm.rule:
    case rtm.rule + del: {
      const rule = readRule(message)
      const type = message.type === rtm.rule ? 'rule.put' : 'rule.delete'
      return rule && { group: six ? 'rule6' : 'rule4', event: { type, rule } }
    }
    case rtm.neighbour:
    case rtm.neighbour + del: {
      const put = message.type === rtm.neighbour
      const neighbour = readNeighbour(message)
      if (neighbour)
        return { group: 'neighbour', event: { type: put ? 'neighbour.put' : 'neighbour.delete', neighbour } }
      const entry = readFdbEntry(message)
      return entry && { group: 'neighbour', event: { type: put ? 'fdb.put' : 'fdb.delete', entry } }
    }
    case rtm.netconf:
    case rtm.netconf + del: {
      const netconf = readNetconf(message)
      const type = message.type === rtm.netconf ? 'netconf.put' : 'netconf.delete'
      return netconf && { group: six ? 'netconf6' : 'netconf4', event: { type, netconf } }
    }
    default:
      return undefined
  }
}

/** A handler that throws is its owner's trouble: an uncaught exception, not a lost event for the others. */
function deliver(handler: Handler, event: NetlinkEvent): void {
  try {
    handler(event)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

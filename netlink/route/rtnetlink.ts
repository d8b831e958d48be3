// The Rtnetlink of ../types.ts on one NetlinkSocket.

import { InvalidRequest, sendBatch } from '../core/batch.ts'
import { dump, get as getOne, type Query } from '../core/dump.ts'
import { NetlinkError } from '../core/errno.ts'
import { type Namespace, openNamespace } from '../core/namespace.ts'
import { NETLINK_ROUTE } from '../core/protocol.ts'
import type { Message } from '../core/reader.ts'
import { NetlinkSocket, type Requests } from '../core/socket.ts'
import { Visit } from '../core/visit.ts'
import type { MessageWriter } from '../core/writer.ts'
import type {
  FdbEntry,
  Group,
  InterfaceAddress,
  IpFamily,
  Link,
  Neighbour,
  Netconf,
  NetlinkEvent,
  Operation,
  Result,
  Route,
  Rtnetlink,
  Rule,
} from '../types.ts'
import { readAddress, writeAddressQuery } from './address.ts'
import { readFdbEntry, writeFdbQuery } from './fdb.ts'
import { independentDeletions } from './independent.ts'
import { readLink, writeLinkQuery } from './link.ts'
import { Monitor } from './monitor.ts'
import { readNeighbour, writeNeighbourQuery } from './neighbour.ts'
import { readNetconf, writeNetconfQuery } from './netconf.ts'
import { writeOperation } from './operations.ts'
import { matches, readRoute, type RouteFilter, writeRouteQuery } from './route.ts'
import { readRule, writeRuleQuery } from './rule.ts'
import { get, rtm } from './values.ts'

export interface OpenOptions {
  /** `/run/netns/x`, `/proc/42/ns/net`, a name of `ip netns` or an open fd. Default: the namespace of the process. */
  readonly netns?: Namespace
  /** Octets that the kernel may queue of events for `watch`; default 4 MiB. Beyond it, events are lost and `overrun` comes. */
  readonly receiveBuffer?: number
  /**
   * `watch` tells nothing of the IPv4 routes that `apply` itself adds and deletes: its results say what became of them, and of many
   * routes half of the work is hearing of them again. IPv6 is told always, for there the kernel may join routes of several owners.
   */
  readonly mutesOwnRoutes?: boolean
}

/**
 * Opens rtnetlink in a network namespace for a few questions: that takes a tenth of the processor time, `watch` is refused, and calls wait
 * for those of other visits. Keeps the namespace alive until it is closed.
 * @throws NetlinkError if the namespace is missing or is none; that it may not be entered is said by the calls
 */
export async function visit(netns: Namespace): Promise<Rtnetlink> {
  return new RouteSocket(await Visit.open(netns, NETLINK_ROUTE))
}

/**
 * Opens rtnetlink in a network namespace. The open socket keeps the namespace alive, also after its name is gone. Pending calls
 * and subscriptions keep the process alive, an idle socket does not.
 * @throws NetlinkError if the namespace is missing, is none, or may not be entered
 */
export async function open(options: OpenOptions = {}): Promise<Rtnetlink> {
  return new RouteSocket(await NetlinkSocket.open({ ...options, protocol: NETLINK_ROUTE }))
}

class RouteSocket implements Rtnetlink {
  readonly #socket: Requests
  /** A visit has none. */
  readonly #monitor: Monitor | undefined

  constructor(socket: NetlinkSocket | Visit) {
    this.#socket = socket
    this.#monitor = socket instanceof NetlinkSocket ? new Monitor(socket) : undefined
  }

  links(): Promise<readonly Link[]> {
    return this.#dump(rtm.link, writer => writeLinkQuery(writer), readLink)
  }

  link(name: string): Promise<Link | undefined> {
    return getOne(
      this.#socket,
      query(rtm.link, writer => writeLinkQuery(writer, name)),
      readLink,
      ['ENODEV'],
    )
  }

  addresses(family?: IpFamily): Promise<readonly InterfaceAddress[]> {
    return this.#dump(rtm.address, writer => writeAddressQuery(writer, family), readAddress)
  }

  async routes(filter: RouteFilter = {}): Promise<readonly Route[]> {
    const families: readonly IpFamily[] = filter.family === undefined ? [4, 6] : [filter.family]
    const lists = await Promise.all(
      families.map(family =>
        this.#dump(
          rtm.route,
          writer => writeRouteQuery(writer, family, filter),
          message => {
            const route = readRoute(message)
            return route && matches(route, filter) ? route : undefined
          },
        ).catch(error => {
          if (error instanceof NetlinkError && error.code === 'ENOENT') return [] // a table that was never used
          throw error
        }),
      ),
    )
    return lists.flat()
  }

  async rules(family?: IpFamily): Promise<readonly Rule[]> {
    const families: readonly IpFamily[] = family === undefined ? [4, 6] : [family]
    const lists = await Promise.all(
      families.map(each => this.#dump(rtm.rule, writer => writeRuleQuery(writer, each), readRule)),
    )
    return lists.flat()
  }

  async neighbours(family?: IpFamily): Promise<readonly Neighbour[]> {
    const [own, proxied] = await Promise.all(
      [false, true].map(proxy =>
        this.#dump(rtm.neighbour, writer => writeNeighbourQuery(writer, family, proxy), readNeighbour),
      ),
    )
    return [...own, ...proxied]
  }

  netconf(family: IpFamily, link: Netconf['link']): Promise<Netconf | undefined> {
    return getOne(
      this.#socket,
      query(rtm.netconf, writer => writeNetconfQuery(writer, family, link)),
      readNetconf,
      ['ENODEV', 'EINVAL'],
    )
  }

  fdb(): Promise<readonly FdbEntry[]> {
    return this.#dump(rtm.neighbour, writeFdbQuery, readFdbEntry)
  }

  async apply(operations: readonly Operation[]): Promise<readonly Result[]> {
    const opened: { close(): void }[] = []
    const openFd = (netns: Namespace): number => {
      try {
        const namespace = openNamespace(netns)
        opened.push(namespace)
        return namespace.fd
      } catch (error) {
        throw error instanceof NetlinkError ? new InvalidRequest(error.message, error.code) : error
      }
    }
    try {
      const encode = (writer: MessageWriter, operation: Operation, sequence: number) =>
        writeOperation(writer, operation, sequence, openFd)
      return await sendBatch(this.#socket, operations, encode, independentDeletions)
    } finally {
      for (const namespace of opened) namespace.close()
    }
  }

  async watch(groups: readonly Group[], handler: (event: NetlinkEvent) => void): Promise<() => Promise<void>> {
    if (!this.#monitor)
      throw new NetlinkError('EOPNOTSUPP', 'a namespace that is only visited cannot be watched: use `open`')
    return this.#monitor.watch(groups, handler)
  }

  close(): Promise<void> {
    return this.#socket.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #dump<T>(
    type: number,
    body: (writer: MessageWriter) => void,
    read: (message: Message) => T | undefined,
  ): Promise<T[]> {
    return dump(this.#socket, query(type, body), read)
  }
}

function query(type: number, body: (writer: MessageWriter) => void): Query {
  return (writer, flags, sequence) => {
    writer.begin(type + get, flags, sequence)
    body(writer)
    writer.end()
  }
}

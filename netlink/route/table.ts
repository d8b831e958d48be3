// The routing table in a line, for those who need no batches: `await routes.replace({ dst: '10.1.0.0/24', gateway: '192.0.2.1' })`.
// It opens its socket at first use and keeps it; an idle one lets the process end.

import { NetlinkError } from '../core/errno.ts'
import type { Operation, Route, RouteType, Rtnetlink } from '../types.ts'
import type { RouteFilter } from './route.ts'
import { open, type OpenOptions } from './rtnetlink.ts'

/** A route with one way at most. */
export interface SimpleRoute {
  /** `10.1.0.0/24`; `0.0.0.0/0` and `::/0` are the default routes. */
  readonly dst: string
  readonly gateway?: string
  /** Name of a link. */
  readonly device?: string
  /** The gateway is on the link though no address there says so. */
  readonly onlink?: boolean
  readonly type?: RouteType
  readonly metric?: number
  readonly table?: number
  /** Default 4, static; on delete: any. */
  readonly protocol?: number
  /** Preferred source address. */
  readonly source?: string
  readonly mtu?: number
}

export class RouteTable {
  readonly #options: OpenOptions
  #opened: Promise<Rtnetlink> | undefined

  constructor(options: OpenOptions = {}) {
    this.#options = options
  }

  /** Default: both families, table main. */
  async list(filter?: RouteFilter): Promise<readonly Route[]> {
    return (await this.#netlink()).routes(filter)
  }

  /** @throws NetlinkError EEXIST if a route to there with that metric exists */
  add(route: SimpleRoute): Promise<void> {
    return this.#apply('route.add', route)
  }

  /** Creates the route, or puts it in the place of any with the same destination, table and metric. @throws NetlinkError */
  replace(route: SimpleRoute): Promise<void> {
    return this.#apply('route.replace', route)
  }

  /** @throws NetlinkError ESRCH if no route matches all that is given */
  delete(route: SimpleRoute): Promise<void> {
    return this.#apply('route.delete', route)
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    await (await opened)?.close()
  }

  #netlink(): Promise<Rtnetlink> {
    this.#opened ??= open(this.#options).catch(error => {
      this.#opened = undefined
      throw error
    })
    return this.#opened
  }

  async #apply(verb: 'route.add' | 'route.replace' | 'route.delete', simple: SimpleRoute): Promise<void> {
    const { gateway, device, onlink, ...rest } = simple
    const netlink = await this.#netlink()
    const link = device === undefined ? undefined : (await netlink.link(device))?.index
    if (device !== undefined && link === undefined)
      throw new NetlinkError('ENODEV', `${describe(verb, simple)}: there is no link "${device}" (ENODEV)`)
    const hop = {
      ...(gateway !== undefined && { gateway }),
      ...(link !== undefined && { link }),
      ...(onlink && { onlink }),
    }
    const nextHops = gateway === undefined && link === undefined ? [] : [hop]
    const operation: Operation = { do: verb, route: { ...rest, nextHops } }
    const [result] = await netlink.apply([operation])
    if (!result.ok) throw new NetlinkError(result.errno, `${describe(verb, simple)}: ${result.text} (${result.errno})`)
  }
}

function describe(verb: string, { dst, gateway, device }: SimpleRoute): string {
  const way = [gateway === undefined ? '' : ` via ${gateway}`, device === undefined ? '' : ` dev ${device}`].join('')
  return `${verb} ${dst}${way}`
}

/** The routing table of the namespace of the process. */
export const routes: RouteTable = new RouteTable()

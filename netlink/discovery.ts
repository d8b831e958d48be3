// netlink-ts/discovery: who is at the other end of a link (RFC 4861), for routing daemons whose peers are named by interface.
//
// The kernel keeps the list: its neighbours, some of which have said that they are routers. Now and then three messages go out of
// each link: a Router Advertisement with lifetime 0, by which routers that look for us find us; a Router Solicitation; and an Echo
// Request to all nodes, since whoever answers asks for our address first, and so becomes known. `discovery()` is what
// bgp-speaker takes as `discovery`.

import { addon } from './core/addon.ts'
import { errnoName, errnoText, NetlinkError } from './core/errno.ts'
import { type Namespace, openNamespace } from './core/namespace.ts'
import { open } from './route/rtnetlink.ts'
import type { Neighbour, NetlinkEvent, Rtnetlink } from './types.ts'

export interface DiscoveryOptions {
  /** Where the links are. Default: the namespace of the process. */
  readonly netns?: Namespace
  /** Say that we are a router, which FRR waits for before it dials. Default true. */
  readonly advertise?: boolean
}

type Found = (link: string, address: string | undefined) => void
type Failed = (link: string, reason: string) => void

export interface Discovery {
  /**
   * Looks on these links, and on no others any more. `found`: the link-local address of the one neighbour there; undefined when
   * there is none any more. `failed`: why there can be none, in words, once.
   */
  watch(links: readonly string[], found: Found, failed: Failed): void
}

/** Milliseconds between two rounds of messages: RFC 4861 §10, MIN_DELAY_BETWEEN_RAS; and when the neighbour is known. */
const SEARCHING = 3000
const FOUND = 10_000
/** Rounds that follow each other closely when a link comes: RFC 4861 §10, MAX_INITIAL_RTR_ADVERTISEMENTS. */
const FIRST = 3
/** Milliseconds until a namespace that cannot be read is tried again. */
const RETRY = 5000

const ALL_NODES = 'ff02::1'
const ALL_ROUTERS = 'ff02::2'

class Watched {
  index: number | undefined
  mac: string | undefined
  carrier = false
  /** Link-local ones. */
  readonly neighbours = new Map<string, Neighbour>()
  told: string | undefined
  failure: string | undefined
  sentAt = -Infinity
  verifiedAt = -Infinity
  /** Rounds that are still to follow closely. */
  first = FIRST
}

export function discovery(options: DiscoveryOptions = {}): Discovery {
  return new LinkDiscovery(options)
}

class LinkDiscovery implements Discovery {
  readonly #options: DiscoveryOptions
  readonly #links = new Map<string, Watched>()
  #found: Found = () => {}
  #failed: Failed = () => {}
  #netlink: Rtnetlink | undefined
  #reading = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: DiscoveryOptions) {
    this.#options = options
  }

  watch(links: readonly string[], found: Found, failed: Failed): void {
    this.#found = found
    this.#failed = failed
    for (const name of this.#links.keys()) if (!links.includes(name)) this.#links.delete(name)
    const fresh = links.filter(name => !this.#links.has(name))
    for (const name of fresh) this.#links.set(name, new Watched())
    if (links.length === 0) this.#close()
    else if (fresh.length > 0) void this.#read()
  }

  /** All links and neighbours, read anew. */
  async #read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    try {
      if (!this.#netlink) {
        this.#netlink = await open(this.#options)
        await this.#netlink.watch(['link', 'neighbour'], event => this.#heard(event))
      }
      const [links, neighbours] = await Promise.all([this.#netlink.links(), this.#netlink.neighbours(6)])
      for (const [name, watched] of this.#links) {
        const link = links.find(one => one.name === name)
        watched.index = link?.index
        watched.mac = link?.mac
        watched.carrier = link?.carrier ?? false
        watched.neighbours.clear()
      }
      for (const neighbour of neighbours) this.#put(neighbour)
      this.#round()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      for (const [name, watched] of this.#links) this.#fail(name, watched, reason)
      this.#close()
      this.#timer = setTimeout(() => void this.#read(), RETRY)
    }
    this.#reading = false
    if (this.#links.size === 0) this.#close()
  }

  #heard(event: NetlinkEvent): void {
    switch (event.type) {
      case 'overrun':
        return void this.#read()
      case 'link.put':
      case 'link.delete': {
        const watched = this.#links.get(event.link.name)
        const index = event.type === 'link.put' ? event.link.index : undefined
        if (watched && watched.index !== index) void this.#read()
        else if (watched) this.#connected(watched, event.link.carrier)
        return
      }
      case 'neighbour.put':
        return this.#put(event.neighbour)
      case 'neighbour.delete':
        return this.#put({ ...event.neighbour, state: 'none' })
      case 'address.put':
      case 'address.delete':
      case 'route.put':
      case 'route.delete':
      case 'rule.put':
      case 'rule.delete':
      case 'fdb.put':
      case 'fdb.delete':
      case 'netconf.put':
      case 'netconf.delete':
        return
    }
  }

  /** A cable that is plugged in again: whoever is there has forgotten us, or is another. */
  #connected(watched: Watched, carrier: boolean): void {
    const before = watched.carrier
    watched.carrier = carrier
    if (before || !carrier) return
    watched.first = FIRST
    watched.sentAt = -Infinity
    this.#round()
  }

  #put(neighbour: Neighbour): void {
    if (!/^fe[89ab]/.test(neighbour.address)) return
    for (const [name, watched] of this.#links) {
      if (watched.index !== neighbour.link) continue
      const { address, state } = neighbour
      if (['none', 'failed', 'incomplete', 'noarp'].includes(state)) watched.neighbours.delete(address)
      else watched.neighbours.set(address, neighbour)
      this.#judge(name, watched)
    }
  }

  /** The one router, or where nobody says to be one, the one neighbour; whoever was chosen stays as long as it is there. */
  #judge(name: string, watched: Watched): void {
    const { neighbours, told } = watched
    const all = [...neighbours.values()]
    const routers = all.filter(({ router }) => router)
    const candidates = routers.length > 0 ? routers : all
    const stays = candidates.some(({ address }) => address === told)
    const chosen = stays ? told : candidates.length === 1 ? candidates[0].address : undefined
    if (candidates.length > 1 && !stays) {
      const list = candidates.map(({ address }) => address).join(', ')
      const next = 'give the peer its address, with the link behind it'
      this.#fail(
        name,
        watched,
        `several neighbours are on ${name} (${list}), and nobody can say which is meant; ${next}`,
      )
    } else watched.failure = undefined
    const former = told !== undefined && stays && candidates.length > 1 ? neighbours.get(told) : undefined
    if (former) this.#verify(watched, former)
    if (chosen === told) return
    watched.told = chosen
    this.#found(name, chosen)
  }

  /**
   * Somebody else is there too: it may be the same neighbour with another address. The kernel would believe in the former one for
   * up to 45 s (RFC 4861 §6.3.2); asked to probe it, it knows in three.
   */
  #verify(watched: Watched, neighbour: Neighbour): void {
    const now = performance.now()
    if (!neighbour.mac || neighbour.state === 'permanent' || now - watched.verifiedAt < FOUND) return
    watched.verifiedAt = now
    const probe = { do: 'neighbour.replace', neighbour: { ...neighbour, state: 'probe' } } as const
    void this.#netlink?.apply([probe]).catch(() => {})
  }

  /** Says each failure once. */
  #fail(name: string, watched: Watched, reason: string): void {
    if (watched.failure === reason) return
    watched.failure = reason
    this.#failed(name, reason)
  }

  /** Messages out of the links whose turn it is; and again later. */
  #round(): void {
    clearTimeout(this.#timer)
    if (this.#links.size === 0) return
    const now = performance.now()
    for (const [name, watched] of this.#links) {
      const pause = watched.told === undefined || watched.first > 0 ? SEARCHING : FOUND
      if (now - watched.sentAt < pause - 100) continue
      watched.sentAt = now
      if (watched.first > 0) watched.first--
      const code = watched.index === undefined ? 'ENODEV' : this.#send(name, watched)
      // A link that is down, or has no address of its own yet, will come up.
      if (code === undefined || ['ENETDOWN', 'EADDRNOTAVAIL', 'ENETUNREACH'].includes(code)) continue
      const next =
        code === 'ENODEV' ? 'add the link; it is looked for again and again' : 'give this process CAP_NET_RAW'
      this.#fail(name, watched, `nothing can be sent on ${name}: ${errnoText(code)}; ${next}`)
    }
    this.#timer = setTimeout(() => this.#round(), SEARCHING)
    this.#timer.unref()
  }

  #send(name: string, { mac }: Watched): string | undefined {
    try {
      const netns = openNamespace(this.#options.netns)
      try {
        for (const [to, message] of messages(mac, this.#options.advertise ?? true)) {
          const result = addon().icmp6Send(netns.fd, name, to, message)
          if (result < 0) return errnoName(result)
        }
      } finally {
        netns.close()
      }
      return undefined
    } catch (error) {
      return error instanceof NetlinkError ? error.code : String(error)
    }
  }

  #close(): void {
    clearTimeout(this.#timer)
    const netlink = this.#netlink
    this.#netlink = undefined
    void netlink?.close()
  }
}

/** RFC 4861 §4.1, §4.2, §4.6.1, RFC 4443 §4.1; checksums are the kernel's. */
export function messages(mac: string | undefined, advertise: boolean): readonly (readonly [to: string, Uint8Array])[] {
  const octets = mac?.split(':').map(text => Number.parseInt(text, 16)) ?? []
  const source = octets.length === 6 ? [1, 1, ...octets] : []
  // Hop limit, flags, lifetime, reachable time and timer are 0: not specified, and no default router.
  const advertisement = Uint8Array.of(134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...source)
  const solicitation = Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0, ...source)
  const echo = Uint8Array.of(128, 0, 0, 0, 0, 179, 0, 1)
  return [...(advertise ? [[ALL_NODES, advertisement] as const] : []), [ALL_ROUTERS, solicitation], [ALL_NODES, echo]]
}

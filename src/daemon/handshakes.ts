// With which nodes a WireGuard device has session keys. A device that both ends have is not enough to send by it: an end that does not
// know the other's key yet, or that calls in the same moment, lets a call pass unheard, and the next one comes five seconds later;
// longer than the kernel keeps packets back (128 for a node). So packets go their former way until two have met.
//
// Once: a node that was met and has another key now (wireguard.ts puts it into its device before it tells of it) answers the first call, and
// the kernel keeps packets back for that long. Their former way would be one without encryption, which nobody takes any more.

import type { WireguardDevice } from '../../netlink/generic/wireguard-types.ts'
import { type Clock, systemClock } from '../dataplane/index.ts'
import type { Tunnel } from '../model/tunnel.ts'

export interface HandshakePorts {
  /** What the kernel has of a device. */
  readonly wireguard: (device: string) => Promise<WireguardDevice | undefined>
  /** Sends each of these nodes, by public key, an empty packet. */
  readonly call: (device: string, publicKeys: readonly string[]) => Promise<void>
  /** Somebody was met between two calls of `look`. */
  readonly onMet: () => void
  readonly clock?: Clock
}

/** Milliseconds between two looks: at first, and at last. */
const shortest = 100
const longest = 15_000

export class Handshakes {
  readonly #ports: HandshakePorts
  #tunnels: readonly Tunnel[] = []
  /** Public keys by device. */
  readonly #met = new Map<string, ReadonlySet<string>>()
  /** Names of nodes by device: met by the key that they have, or by one before. */
  readonly #known = new Map<string, ReadonlySet<string>>()
  #wait = shortest
  #cancel: (() => void) | undefined

  constructor(ports: HandshakePorts) {
    this.#ports = ports
  }

  /** Names of the nodes that a device has met, sorted; undefined for one that needs no keys. */
  of({ kind, device, nodes = [] }: Tunnel): readonly string[] | undefined {
    if (kind !== 'wireguard') return undefined
    const known = this.#known.get(device)
    return nodes.filter(({ node }) => known?.has(node)).map(({ node }) => node)
  }

  /** `tunnels` are in force now. Resolves when the kernel has been asked about those that lack somebody. */
  async look(tunnels: readonly Tunnel[]): Promise<void> {
    this.#tunnels = tunnels
    this.#wait = shortest
    const devices = new Set(tunnels.map(({ device }) => device))
    for (const device of this.#known.keys()) if (!devices.has(device)) this.#known.delete(device)
    for (const tunnel of tunnels) this.#learn(tunnel)
    await this.#read()
  }

  close(): void {
    this.#tunnels = []
    this.#cancel?.()
  }

  async #again(): Promise<void> {
    const before = this.#tunnels.map(tunnel => this.of(tunnel)?.length)
    const tunnels = this.#tunnels
    if (this.#wait === longest)
      // The kernel itself gives up after 90 s: a port that is opened later is tried so.
      for (const tunnel of tunnels) await this.#ports.call(tunnel.device, this.#unmet(tunnel)).catch(() => undefined)
    await this.#read()
    if (tunnels === this.#tunnels && tunnels.some((tunnel, i) => this.of(tunnel)?.length !== before[i]))
      this.#ports.onMet()
  }

  async #read(): Promise<void> {
    for (const tunnel of this.#tunnels) {
      if (this.#unmet(tunnel).length === 0) continue
      const found = await this.#ports.wireguard(tunnel.device).catch(() => undefined)
      const met = (found?.peers ?? []).filter(({ lastHandshake }) => lastHandshake !== undefined)
      this.#met.set(tunnel.device, new Set(met.map(({ publicKey }) => publicKey)))
      this.#learn(tunnel)
    }
    if (!this.#tunnels.some(tunnel => this.#unmet(tunnel).length > 0)) return
    this.#cancel?.()
    this.#cancel = (this.#ports.clock ?? systemClock).after(this.#wait, () => void this.#again())
    this.#wait = Math.min(2 * this.#wait, longest)
  }

  /** Who was met, of those that there are. */
  #learn({ device, nodes = [] }: Tunnel): void {
    const [known, met] = [this.#known.get(device), this.#met.get(device)]
    const now = nodes.filter(({ node, publicKey }) => known?.has(node) || met?.has(publicKey))
    this.#known.set(device, new Set(now.map(({ node }) => node)))
  }

  #unmet({ kind, device, nodes = [] }: Tunnel): readonly string[] {
    if (kind !== 'wireguard') return []
    const met = this.#met.get(device)
    return nodes.flatMap(({ publicKey }) => (met?.has(publicKey) ? [] : publicKey))
  }
}

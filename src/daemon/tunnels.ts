// Tunnels of this node: the devices that the plan asks for, each with an address from the node's own blocks.
//
// What the node itself sends to a pod elsewhere leaves by the tunnel, and so must the answer: hence a source address that lies
// in a block of this node. IPAM keeps it like a pod's, under an owner of its own. A device comes before its address, so that a
// node whose kernel has no such device takes none; the address is given back after the device is gone.

import type { DesiredTunnel, TunnelFaults } from '../dataplane/encapsulation/index.ts'
import { type Ipam, IpamError, type Owner } from '../ipam/index.ts'
import { isTunnelDevice, type Tunnel, type TunnelState } from '../model/tunnel.ts'
import { type HandshakePorts, Handshakes } from './handshakes.ts'
import type { Log } from './log.ts'
import type { WireguardKeys } from './wireguard.ts'

/** No CNI network can be called so. */
const network = 'margay:tunnel'

export function tunnelOwner(device: string): Owner {
  return { network, containerId: device, ifName: device }
}

/** True for an address that a tunnel has. */
export function isTunnelOwner(owner: Owner): boolean {
  return owner.network === network
}

export interface TunnelPorts {
  readonly ipam: Pick<Ipam, 'assign' | 'release' | 'show'>
  readonly devices: {
    apply(desired: readonly DesiredTunnel[], mayRemove: boolean): Promise<TunnelFaults>
    readonly devices: readonly string[]
  } & Omit<HandshakePorts, 'onMet'>
  /** WireGuard: this node's key, made when a device stands that needs it. */
  readonly keys: Pick<WireguardKeys, 'key' | 'make' | 'fault'>
  readonly log: Log
  /** A state changed by itself: it is time to plan again. */
  readonly onChange: () => void
  /** Of the packets within a tunnel. */
  readonly mtu: (tunnel: Tunnel) => number
}

export class TunnelKeeper {
  readonly #ports: TunnelPorts
  #states: ReadonlyMap<string, TunnelState> = new Map()
  #problems: readonly string[] = []
  #turn: Promise<unknown> = Promise.resolve()
  readonly #handshakes: Handshakes

  constructor(ports: TunnelPorts) {
    this.#ports = ports
    const { devices } = ports
    this.#handshakes = new Handshakes({
      wireguard: device => devices.wireguard(device),
      call: (device, publicKeys) => devices.call(device, publicKeys),
      onMet: ports.onChange,
    })
  }

  /** What became of each device; a new map when something changed. */
  get states(): ReadonlyMap<string, TunnelState> {
    return this.#states
  }

  get problems(): readonly string[] {
    return this.#problems
  }

  /** Of the plan's problems those that matter: nothing that a device lacks, where this node cannot have the device. */
  telling(problems: readonly string[]): readonly string[] {
    const absent = [...this.#states]
      .filter(([, { fault }]) => fault !== undefined)
      .map(([device]) => `device ${device}: `)
    return problems.filter(problem => !absent.some(start => problem.startsWith(start)))
  }

  /** Why pods of this node would not reach those of others. */
  get obstacle(): string | undefined {
    return [...this.#states.values()].find(({ fault }) => fault !== undefined)?.fault
  }

  /** Whether a WireGuard device stands. */
  get usesKey(): boolean {
    return [...this.#states].some(([device, { fault }]) => device.startsWith('margay-wg') && fault === undefined)
  }

  /** `complete`: the list comes from a datastore in sync, so what it lacks may go. */
  apply(tunnels: readonly Tunnel[], complete: boolean): Promise<void> {
    const turn = this.#turn.then(() => this.#apply(tunnels, complete))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  close(): void {
    this.#handshakes.close()
  }

  async #apply(tunnels: readonly Tunnel[], complete: boolean): Promise<void> {
    const { devices, ipam, keys } = this.#ports
    const problems: string[] = []
    let faults = await devices.apply(this.#desired(tunnels), complete)
    // The device has lost these by now, so another may have them.
    for (const tunnel of tunnels) if (this.#misplaced(tunnel)) await ipam.release(tunnelOwner(tunnel.device))
    const wanting = tunnels.filter(
      tunnel => tunnel.pools.length > 0 && !faults.has(tunnel.device) && this.#held(tunnel.device) === undefined,
    )
    for (const tunnel of wanting) problems.push(...(await this.#assign(tunnel)))
    const keyless = keys.key ? [] : tunnels.filter(({ kind, device }) => kind === 'wireguard' && !faults.has(device))
    if (keyless.length > 0) await keys.make()
    if (wanting.length > 0 || keyless.length > 0) faults = await devices.apply(this.#desired(tunnels), complete)
    if (keys.fault !== undefined)
      faults = new Map([...faults, ...keyless.map(({ device }) => [device, keys.fault ?? ''] as const)])
    if (complete) await this.#giveBack(tunnels)
    await this.#handshakes.look(tunnels.filter(({ device }) => !faults.has(device)))
    this.#note(tunnels, faults, problems)
  }

  #desired(tunnels: readonly Tunnel[]): readonly DesiredTunnel[] {
    return tunnels.map(tunnel => {
      const address = this.#misplaced(tunnel) ? undefined : this.#held(tunnel.device)?.address
      const key = tunnel.kind === 'wireguard' ? this.#ports.keys.key : undefined
      return { tunnel, mtu: this.#ports.mtu(tunnel), ...(address !== undefined && { address }), ...(key && { key }) }
    })
  }

  #held(device: string) {
    return this.#ports.ipam.show().addresses.find(row => isTunnelOwner(row) && row.containerId === device)
  }

  /** Its address is from a pool that is not tunnelled by it any more. */
  #misplaced({ device, pools }: Tunnel): boolean {
    const held = this.#held(device)
    return held !== undefined && held.pool !== '' && !pools.includes(held.pool)
  }

  async #assign({ device, family, pools }: Tunnel): Promise<readonly string[]> {
    try {
      const request = { families: [family], pools, use: 'Tunnel', label: `tunnel ${device}` } as const
      await this.#ports.ipam.assign({ ...tunnelOwner(device), ...request })
      return []
    } catch (error) {
      if (!(error instanceof IpamError)) throw error
      return [`device ${device}: it has no address, so this node itself may not reach pods elsewhere: ${error.message}`]
    }
  }

  async #giveBack(tunnels: readonly Tunnel[]): Promise<void> {
    const { devices, ipam } = this.#ports
    const kept = new Set([...tunnels.map(({ device }) => device), ...devices.devices])
    for (const row of ipam.show().addresses)
      if (isTunnelOwner(row) && isTunnelDevice(row.containerId) && !kept.has(row.containerId)) await ipam.release(row)
  }

  #note(tunnels: readonly Tunnel[], faults: TunnelFaults, problems: readonly string[]): void {
    const { log } = this.#ports
    const all = [...faults.values(), ...problems]
    for (const problem of all) if (!this.#problems.includes(problem)) log.warn(problem)
    this.#problems = all
    const states = new Map(
      tunnels.map((tunnel): [string, TunnelState] => {
        const fault = faults.get(tunnel.device)
        if (fault !== undefined) return [tunnel.device, { fault }]
        const address = this.#held(tunnel.device)?.address
        const met = this.#handshakes.of(tunnel)
        return [tunnel.device, { ...(address !== undefined && { address }), ...(met && { met }) }]
      }),
    )
    if (JSON.stringify([...states]) !== JSON.stringify([...this.#states])) this.#states = states
  }
}

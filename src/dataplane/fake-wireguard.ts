// WireGuard devices in memory, for tests: keys and peers of links that the fake kernel has.
// `wireguard.contract.test.ts` runs the same cases on this and on Linux, where it has WireGuard.

import type {
  Wireguard,
  WireguardChange,
  WireguardDevice,
  WireguardPeer,
  WireguardPeerChange,
} from '../../netlink/generic/wireguard-types.ts'
import { WireguardKey } from '../model/wireguard.ts'

export class FakeWireguard {
  /** Every change, in order. */
  readonly log: WireguardChange[] = []
  /** UDP ports that others have. */
  readonly takenPorts = new Set<number>()
  readonly #devices = new Map<number, WireguardDevice>()
  readonly #indexOf: (name: string) => number | undefined

  /** `indexOf`: of a link of kind wireguard; undefined if there is none of that name. */
  constructor(indexOf: (name: string) => number | undefined) {
    this.#indexOf = indexOf
  }

  async handle(): Promise<Wireguard> {
    const close = async (): Promise<void> => {}
    return {
      device: async name => this.device(name),
      set: async change => {
        this.log.push(change)
        const errno = this.#set(change)
        return errno ? { ok: false, errno, text: `the fake kernel says ${errno}` } : { ok: true }
      },
      close,
      [Symbol.asyncDispose]: close,
    }
  }

  device(name: string): WireguardDevice | undefined {
    const index = this.#indexOf(name)
    return index === undefined ? undefined : (this.#devices.get(index) ?? { name, port: 40_000 + index, peers: [] })
  }

  #set({ device: name, privateKey, port, peers = [] }: WireguardChange): string | undefined {
    const index = this.#indexOf(name)
    let device = this.device(name)
    if (index === undefined || !device) return 'ENODEV'
    if (port !== undefined && this.takenPorts.has(port)) return 'EADDRINUSE'
    if (port !== undefined) device = { ...device, port }
    if (privateKey) {
      const { publicKey } = WireguardKey.parse(Buffer.from(privateKey).toString('base64')) ?? {}
      device = { ...device, ...(publicKey !== undefined && { publicKey }) }
    }
    for (const change of peers) {
      if (change.publicKey !== device.publicKey) device = { ...device, peers: changed(device.peers, change) }
    }
    this.#devices.set(index, device)
    return undefined
  }
}

function changed(peers: readonly WireguardPeer[], change: WireguardPeerChange): readonly WireguardPeer[] {
  const { publicKey, remove = false, endpoint, keepalive, allowedIps: added = [] } = change
  if (remove) return peers.filter(peer => peer.publicKey !== publicKey)
  const blank: WireguardPeer = { publicKey, keepalive: 0, allowedIps: [], received: 0, sent: 0 }
  const all = peers.some(peer => peer.publicKey === publicKey) ? peers : [...peers, blank]
  return all.map(peer => {
    const kept = peer.allowedIps.filter(prefix => !added.includes(prefix))
    if (peer.publicKey !== publicKey) return { ...peer, allowedIps: kept }
    return {
      ...peer,
      allowedIps: [...kept, ...added],
      ...(endpoint && { endpoint }),
      ...(keepalive !== undefined && { keepalive }),
    }
  })
}

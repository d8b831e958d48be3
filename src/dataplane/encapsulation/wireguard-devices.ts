// Key, port and nodes of WireGuard devices: what is wanted against what the kernel has, in one change.
//
// An allowed address belongs to one peer at a time, and the kernel moves it in one step: a node that has a new key takes its
// addresses from its old one so, and no packet finds neither. What is too much goes later, as with other devices. There are no
// events: whoever wants to know what others change here has to ask (`isAsWanted`).

import { createHash } from 'node:crypto'
import type {
  Wireguard,
  WireguardChange,
  WireguardDevice,
  WireguardPeerChange,
} from '../../../netlink/generic/wireguard-types.ts'
import { NetlinkError, NoGenericFamily } from '../../../netlink/index.ts'
import type { Tunnel } from '../../model/tunnel.ts'
import { type WireguardKey, type WireguardNode, wireguardPort } from '../../model/wireguard.ts'
import * as say from './sentences.ts'
import { wireguard } from './wireguard.ts'

export class WireguardDevices {
  readonly #open: () => Promise<Wireguard>
  #socket: Promise<Wireguard> | undefined

  constructor(open: () => Promise<Wireguard>) {
    this.#open = open
  }

  /** What the kernel has of it; undefined: no such device. Rejects if it cannot be read. */
  async read(device: string): Promise<WireguardDevice | undefined> {
    return (await this.#opened()).device(device)
  }

  /** Sends an empty packet to each of the nodes, which begins an exchange of keys where there are none. */
  async call(device: string, publicKeys: readonly string[]): Promise<void> {
    const found = await this.read(device)
    const peers = (found?.peers ?? [])
      .filter(({ publicKey }) => publicKeys.includes(publicKey))
      .flatMap(({ publicKey }) => [1, 0].map(keepalive => ({ publicKey, keepalive })))
    if (peers.length > 0) await (await this.#opened()).set({ device, peers })
  }

  /** Whether `ensure` would write nothing. Of a device that cannot be read now, too: its turn comes. */
  async isAsWanted(tunnel: Tunnel, key: WireguardKey, settled: boolean): Promise<boolean> {
    const found = await this.read(tunnel.device).catch(() => undefined)
    return !found || changeOf(tunnel, key, found, settled) === undefined
  }

  /** `settled`: what is too much may go. Undefined when it is as wanted, else a sentence. */
  async ensure(tunnel: Tunnel, key: WireguardKey, settled: boolean): Promise<string | undefined> {
    const { device } = tunnel
    try {
      const found = await this.read(device)
      if (!found) return say.unread(device, 'it was made and is not there')
      const change = changeOf(tunnel, key, found, settled)
      const result = change ? await (await this.#opened()).set(change) : undefined
      if (!result || result.ok) return undefined
      return result.errno === 'EADDRINUSE'
        ? say.portTaken(device, wireguardPort(tunnel.family))
        : say.refused(device, result)
    } catch (error) {
      if (error instanceof NoGenericFamily && wireguard.device) return say.notInKernel(wireguard.device.inKernel)
      if (error instanceof NetlinkError) return say.unread(device, error.message)
      throw error
    }
  }

  async close(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    await (await socket?.catch(() => undefined))?.close()
  }

  #opened(): Promise<Wireguard> {
    this.#socket ??= this.#open().catch((error: unknown) => {
      this.#socket = undefined
      throw error
    })
    return this.#socket
  }
}

/** Undefined: nothing to write. */
export function changeOf(
  { device, family, nodes = [] }: Tunnel,
  key: WireguardKey,
  found: WireguardDevice,
  settled: boolean,
): WireguardChange | undefined {
  const port = wireguardPort(family)
  const peers = [...nodes.flatMap(node => peerChanges(node, port, found)), ...(settled ? removals(nodes, found) : [])]
  const change: WireguardChange = {
    device,
    ...(found.publicKey !== key.publicKey && { privateKey: key.privateOctets() }),
    ...(found.port !== port && { port }),
    ...(peers.length > 0 && { peers }),
  }
  return Object.keys(change).length > 1 ? change : undefined
}

function peerChanges(node: WireguardNode, port: number, found: WireguardDevice): readonly WireguardPeerChange[] {
  const { publicKey, address, allowedIps } = node
  const endpoint = { address, port }
  const before = found.peers.find(peer => peer.publicKey === publicKey)
  // A keepalive makes both agree on session keys at once, so that also a node that only listens gets what the other has for it.
  if (!before)
    return [
      { publicKey, endpoint, keepalive: 1, allowedIps },
      { publicKey, keepalive: 0 },
    ]
  const missing = allowedIps.filter(prefix => !before.allowedIps.includes(prefix))
  const isThere = before.endpoint?.address === address && before.endpoint.port === port
  if (missing.length === 0 && isThere && before.keepalive === 0) return []
  return [
    {
      publicKey,
      ...(!isThere && { endpoint }),
      ...(before.keepalive !== 0 && { keepalive: 0 }),
      ...(missing.length > 0 && { allowedIps: missing }),
    },
  ]
}

/** Nobody has its private key. */
const nobody = createHash('sha256').update('margay: nobody').digest('base64')

/**
 * Peers that nobody wants, and allowed addresses of the others. Before Linux 6.16 the kernel takes an address from a peer only by
 * replacing its whole list, which is empty for a moment, or by giving it to another peer: so nobody gets them, and goes.
 */
function removals(nodes: readonly WireguardNode[], found: WireguardDevice): readonly WireguardPeerChange[] {
  const wanted = new Map(nodes.map(node => [node.publicKey, node.allowedIps]))
  const theirs = new Set(nodes.flatMap(node => node.allowedIps))
  const unwanted = found.peers.filter(({ publicKey }) => !wanted.has(publicKey))
  const surplus = found.peers.flatMap(({ publicKey, allowedIps }) =>
    wanted.has(publicKey) ? allowedIps.filter(prefix => !theirs.has(prefix)) : [],
  )
  return [
    ...unwanted.map(({ publicKey }) => ({ publicKey, remove: true })),
    ...(surplus.length > 0
      ? [
          { publicKey: nobody, allowedIps: surplus },
          { publicKey: nobody, remove: true },
        ]
      : []),
  ]
}

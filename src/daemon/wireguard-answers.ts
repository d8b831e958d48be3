// What the daemon answers about WireGuard.

import type { RotationAnswer, WireguardPeerView, WireguardView } from '../api/contract.ts'
import { RequestError } from '../api/server.ts'
import type { Dataplane } from '../dataplane/index.ts'
import type { Intent } from '../model/intent.ts'
import type { Tunnel } from '../model/tunnel.ts'
import { RotationRefused, type WireguardKeys } from './wireguard.ts'

interface Rooms {
  readonly node: string
  readonly dataplane: Dataplane
  readonly wireguard: WireguardKeys
  readonly intent: () => Intent
}

export function wireguardAnswers({ node, dataplane, wireguard, intent }: Rooms) {
  return {
    '/v1/wireguard': async (): Promise<WireguardView> => {
      const tunnels = intent().tunnels.filter(({ kind }) => kind === 'wireguard')
      const peers = await Promise.all(tunnels.map(tunnel => peersOf(tunnel, dataplane)))
      return { node, ...(wireguard.key && { publicKey: wireguard.key.publicKey }), peers: peers.flat() }
    },

    '/v1/wireguard/rotate': async (): Promise<RotationAnswer> => {
      try {
        return { publicKey: await wireguard.rotate() }
      } catch (error) {
        throw error instanceof RotationRefused ? new RequestError(400, error.message) : error
      }
    },
  }
}

async function peersOf({ device, nodes = [] }: Tunnel, dataplane: Dataplane): Promise<readonly WireguardPeerView[]> {
  const found = await dataplane.tunnels.wireguard(device).catch(() => undefined)
  return (found?.peers ?? []).map(peer => {
    const { publicKey, endpoint, allowedIps, lastHandshake, received, sent } = peer
    const name = nodes.find(each => each.publicKey === publicKey)?.node
    return {
      device,
      ...(name !== undefined && { node: name }),
      publicKey,
      ...(endpoint && { endpoint: textOf(endpoint) }),
      allowedIps,
      ...(lastHandshake !== undefined && { handshake: Math.max(0, (Date.now() - lastHandshake) / 1000) }),
      received,
      sent,
    }
  })
}

function textOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

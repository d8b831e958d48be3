// `margayctl wireguard`: this node's key and its WireGuard peers, as the kernel has them.

import type { Command } from 'commander'
import type { WireguardPeerView, WireguardView } from '../api/contract.ts'
import { ask, type Context } from './context.ts'
import { type Column, duration, print, table } from './output.ts'

const columns: readonly Column<WireguardPeerView>[] = [
  { head: 'NODE', cell: ({ node }) => node },
  { head: 'DEVICE', cell: ({ device }) => device },
  { head: 'ENDPOINT', cell: ({ endpoint }) => endpoint },
  {
    head: 'HANDSHAKE',
    cell: ({ handshake }) => (handshake === undefined ? 'never' : `${duration(handshake)} ago`),
  },
  { head: 'RECEIVED', cell: ({ received }) => received, align: 'right' },
  { head: 'SENT', cell: ({ sent }) => sent, align: 'right' },
  { head: 'ALLOWED', cell: ({ allowedIps }) => allowedIps.join(', ') },
  { head: 'KEY', cell: ({ publicKey }) => publicKey },
]

export function registerWireguard(program: Command, context: Context): void {
  program
    .command('wireguard')
    .description("this node's WireGuard key and peers: when they last agreed on keys, and what went over them")
    .action(async () => {
      const view = await ask(context, '/v1/wireguard', {})
      print(context.format(), view, () => wireguardText(view))
    })
}

export function wireguardText({ node, publicKey, peers }: WireguardView): string {
  if (publicKey === undefined)
    return `${node} has no WireGuard key: the first pool with a wireguardMode makes one (margayctl status says what stands in the way)`
  const rows = peers.length > 0 ? table(columns, peers) : 'no peers'
  return `${node}  public key ${publicKey}\n${rows}`
}

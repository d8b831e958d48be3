// Whether a node is off, as far as can be asked from here: its machine, its sign in the datastore, and the BGP of this node's daemon if
// there is one.

import { execFile } from 'node:child_process'
import { parseInterfaceAddress, formatAddress } from '../../inet/index.ts'
import type { PathView } from '../../bgp/types.ts'
import { endlessText, type Sign } from '../datastore/index.ts'
import { ApiError, call } from '../api/client.ts'
import type { BgpSummary } from '../api/contract.ts'
import { signHolds } from '../model/node-sign.ts'
import type { NodeResource } from '../resources/index.ts'

export interface Life {
  /** Sentences: what says that the node is not off. */
  readonly signs: readonly string[]
  /** Sentences: what could not be asked. */
  readonly unasked: readonly string[]
}

export interface Suspect {
  readonly name: string
  /** Absent: its Node is gone already. */
  readonly node?: NodeResource
  /** CIDRs. */
  readonly blocks: readonly string[]
  /** What its daemon last said in the datastore; absent: nothing. */
  readonly sign?: Sign
}

/** `socket`: of the daemon on this machine. */
export async function signsOfLife(suspect: Suspect, socket: string): Promise<Life> {
  const addresses = addressesOf(suspect.node)
  const [answers, bgp] = await Promise.all([askMachine(addresses), askDaemon(suspect, addresses, socket)])
  const endless = suspect.sign && endlessText(suspect.sign)
  const said = suspect.sign?.isAlive
    ? [endless ?? `its margayd says so in the datastore; that ends ${signHolds} s after it has stopped`]
    : []
  return { signs: [...said, ...answers.signs, ...bgp.signs], unasked: [...answers.unasked, ...bgp.unasked] }
}

function addressesOf(node: NodeResource | undefined): readonly string[] {
  const { ipv4Address, ipv6Address } = node?.spec.bgp ?? {}
  return [ipv4Address, ipv6Address].flatMap(text => {
    const parsed = text === undefined ? undefined : parseInterfaceAddress(text)
    return parsed ? [formatAddress(parsed.address)] : []
  })
}

async function askMachine(addresses: readonly string[]): Promise<Life> {
  const asked = await Promise.all(addresses.map(async address => ({ address, answer: await pings(address) })))
  return {
    signs: asked.filter(({ answer }) => answer === true).map(({ address }) => `${address} answers ping`),
    unasked: asked
      .filter(({ answer }) => answer === undefined)
      .map(({ address }) => `${address} could not be pinged: there is no ping on this machine`),
  }
}

/** Undefined: there is no such program. */
function pings(address: string): Promise<boolean | undefined> {
  return new Promise(resolve => {
    execFile('ping', ['-n', '-c', '3', '-i', '0.3', '-W', '1', address], error =>
      resolve(error?.code === 'ENOENT' ? undefined : !error),
    )
  })
}

async function askDaemon(suspect: Suspect, addresses: readonly string[], socket: string): Promise<Life> {
  try {
    const summary = await call(socket, '/v1/bgp/summary', {})
    const paths = await Promise.all(suspect.blocks.map(prefix => pathsTo(socket, prefix)))
    return { signs: bgpSigns(suspect, addresses, summary, paths.flat()), unasked: [] }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return {
      signs: [],
      unasked: [`no margayd answers on ${socket}, so its sessions and routes could not be looked at`],
    }
  }
}

async function pathsTo(socket: string, prefix: string): Promise<readonly PathView[]> {
  try {
    return (await call(socket, '/v1/bgp/routes', { prefix })).rows
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return []
    throw error
  }
}

/** What this node's BGP says of another. */
export function bgpSigns(
  suspect: Suspect,
  addresses: readonly string[],
  summary: BgpSummary,
  paths: readonly PathView[],
): readonly string[] {
  if (summary.node === suspect.name) return ['it is this machine, and margayd runs here']
  const sessions = summary.peers.filter(peer => peer.state === 'Established' && addresses.includes(peer.address))
  return [
    ...sessions.map(peer => `session ${peer.name} with it is Established`),
    ...paths.map(({ prefix, peer, stale }) =>
      stale === false
        ? `${peer} announces its block ${prefix}`
        : `${peer} is kept waiting for with its block ${prefix}; that ends by itself`,
    ),
  ]
}

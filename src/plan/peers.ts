// Sessions that BGPPeers ask for: with routers by address or by link, with nodes by selector.
//
// A peer between nodes is set up at both ends by the one object: the nodes it applies to open towards those that
// peerSelector selects (forward), and these towards the former (reverse).

import { equalAddresses, formatAddress, parseAddress } from '../../inet/index.ts'
import type { Address } from '../../inet/index.ts'
import { selects, splitAddressAndPort } from '../resources/index.ts'
import type { BGPPeerResource } from '../resources/index.ts'
import { facing, isOnLoopback, matching } from './links.ts'
import { perElement, perObject, perPair } from './memo.ts'
import { noCommonFamily } from './mesh.ts'
import type { Found } from './mesh.ts'
import { linkSession, meeting, session } from './session.ts'
import type { Session, SessionOptions } from './session.ts'
import type { BgpSettings } from './settings.ts'
import type { LocalSpeaker, NodeSpeaker } from './speakers.ts'

/** The sessions of `local` that BGPPeers ask for, by name of the peer; several may share an address. */
export function peerSessions(
  local: LocalSpeaker,
  speakers: readonly NodeSpeaker[],
  peers: readonly BGPPeerResource[],
  settings: BgpSettings,
): Found {
  const found = peers
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .map(peer => {
      const { interface: link, peerIP } = peer.spec
      const find = link !== undefined ? onLinks : peerIP !== undefined ? withRouter : withNodes
      return find(local, speakers, peer, settings)
    })
  return { sessions: found.flatMap(each => each.sessions), problems: found.flatMap(each => each.problems) }
}

function withRouter(
  local: LocalSpeaker,
  speakers: readonly NodeSpeaker[],
  peer: BGPPeerResource,
  settings: BgpSettings,
): Found {
  const problems = [...selectsNobody(peer, speakers)]
  const none = { sessions: [], problems }
  if (!appliesTo(peer, local)) return none
  const { peerIP, asNumber } = peer.spec
  const target = splitAddressAndPort(peerIP ?? '')
  const address = target && parseAddress(target.address)
  if (!target || !address || asNumber === undefined) return none
  const node = speakers.find(each => hasAddress(each, address))
  if (node?.name === local.name) {
    problems.push(
      `bgppeer "${peer.metadata.name}": peerIP ${target.address} is the address of node "${local.name}" itself, so it has no such session; exclude the node by nodeSelector.`,
    )
    return none
  }
  const own = address.family === 4 ? local.address4 : local.address6
  if (!own) {
    problems.push(
      `bgppeer "${peer.metadata.name}": node "${local.name}" has no IPv${address.family} address to reach ${target.address} from; add bgp.ipv${address.family}Address to its Node.`,
    )
    return none
  }
  if (node && node.asn !== asNumber) {
    problems.push(
      `bgppeer "${peer.metadata.name}": asNumber is ${asNumber}, but node "${node.name}" at ${target.address} has AS ${node.asn} and will refuse the session; use peerSelector, or correct asNumber.`,
    )
  }
  if (
    peer.spec.sourceAddress === 'UseNodeIP' &&
    isOnLoopback(local.links, own.address) &&
    facing(local.links, address)
  ) {
    problems.push(
      `bgppeer "${peer.metadata.name}": its session would come from ${formatAddress(own.address)}, which node "${local.name}" has on the loopback and ${target.address} learns only by this session; set sourceAddress: None, and it comes from the link.`,
    )
  }
  const remote = { address, port: target.port ?? (node ? settings.listenPort : 179), asn: asNumber, node }
  const options = { ...optionsOf(peer), passive: peer.spec.passive, acceptDefault: peer.spec.acceptDefaultRoute }
  return { sessions: [session(peer.metadata.name, local, remote, settings, options)], problems }
}

function onLinks(
  local: LocalSpeaker,
  speakers: readonly NodeSpeaker[],
  peer: BGPPeerResource,
  settings: BgpSettings,
): Found {
  const problems = [...selectsNobody(peer, speakers)]
  const { name } = peer.metadata
  const { interface: pattern, asNumber, remoteAs, passive, acceptDefaultRoute } = peer.spec
  const as = asNumber ?? (remoteAs && remoteAsWords[remoteAs])
  if (!appliesTo(peer, local) || pattern === undefined || as === undefined) return { sessions: [], problems }
  const links = matching(local.devices, pattern)
  if (links.length === 0) {
    problems.push(
      `bgppeer "${name}": interface ${pattern} is no link of node "${local.name}", so it has no session there; it has ${local.devices.join(', ') || 'none'}.`,
    )
  }
  const options = { ...optionsOf(peer), passive, acceptDefault: acceptDefaultRoute }
  return { sessions: links.map(link => linkSession(`${name}/${link}`, local, link, as, settings, options)), problems }
}

function withNodes(
  local: LocalSpeaker,
  speakers: readonly NodeSpeaker[],
  peer: BGPPeerResource,
  settings: BgpSettings,
): Found {
  const { peerSelector } = peer.spec
  const problems = [...selectsNobody(peer, speakers)]
  const sessions: Session[] = []
  const isPeer = (node: NodeSpeaker): boolean => selects(peerSelector ?? '', node.labels)
  if (!speakers.some(isPeer)) {
    problems.push(
      `bgppeer "${peer.metadata.name}": peerSelector ${peerSelector} selects no node with an address, so it has no sessions; label a node, or change the selector.`,
    )
  }
  for (const made of sessionsOf(local)(peer, settings)(speakers)) {
    if (typeof made === 'string') problems.push(made)
    else if (made) sessions.push(made)
  }
  return { sessions, problems }
}

/** What a BGPPeer makes of this node and another: a session, a problem or nothing. The same object as before where all of them are. */
const sessionsOf = perObject((local: LocalSpeaker) =>
  perPair((peer: BGPPeerResource, settings: BgpSettings) =>
    perElement((remote: NodeSpeaker): Session | string | undefined => {
      if (remote.name === local.name) return undefined
      const { peerSelector, passive, acceptDefaultRoute } = peer.spec
      const isPeer = (node: NodeSpeaker): boolean => selects(peerSelector ?? '', node.labels)
      const forward = appliesTo(peer, local) && isPeer(remote)
      const reverse = appliesTo(peer, remote) && isPeer(local)
      if (!forward && !reverse) return undefined
      const place = meeting(local, remote)
      if (!place) return noCommonFamily(local, remote)
      const oneWay = forward !== reverse
      const far = { address: place.address, port: settings.listenPort, asn: remote.asn, node: remote }
      return session(`${peer.metadata.name}/${remote.name}`, local, far, settings, {
        ...optionsOf(peer),
        passive: passive && oneWay ? forward : place.passive,
        acceptDefault: acceptDefaultRoute && forward,
      })
    }),
  ),
)

function appliesTo(peer: BGPPeerResource, node: NodeSpeaker): boolean {
  const { node: name, nodeSelector } = peer.spec
  return name === undefined ? selects(nodeSelector ?? '', node.labels) : name === node.name
}

function selectsNobody(peer: BGPPeerResource, speakers: readonly NodeSpeaker[]): readonly string[] {
  if (speakers.some(node => appliesTo(peer, node))) return []
  const { node, nodeSelector } = peer.spec
  const which = node === undefined ? `nodeSelector ${nodeSelector}` : `node "${node}"`
  return [
    `bgppeer "${peer.metadata.name}": ${which} is no node with an address, so nobody has the session; correct it, or add the Node.`,
  ]
}

function optionsOf({ spec }: BGPPeerResource): SessionOptions {
  return {
    holdTime: spec.holdTime,
    connectRetry: spec.connectRetryTime,
    nextHop: nextHops[spec.nextHopMode],
    fromNodeAddress: spec.sourceAddress === 'UseNodeIP',
    ttlSecurity: spec.ttlSecurity,
    maxPrefixes: spec.maxPrefixes && { ...spec.maxPrefixes, action: limitActions[spec.maxPrefixes.action] },
    password: spec.password,
    description: spec.description,
  }
}

const remoteAsWords = { External: 'external', Internal: 'internal' } as const
const limitActions = { Restart: 'restart', Reject: 'reject', Warn: 'warn' } as const
const nextHops = { Auto: 'auto', Self: 'self', Keep: 'keep' } as const

function hasAddress(node: NodeSpeaker, address: Address): boolean {
  const own = address.family === 4 ? node.address4 : node.address6
  return own !== undefined && equalAddresses(own.address, address)
}

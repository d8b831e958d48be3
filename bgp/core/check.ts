// What a configuration must be before it comes into force. Each issue names the field, the value, the reason and the
// next step; nothing here changes anything.

import { type Address, isLinkLocal, parseAddress } from '../../inet/index.ts'
import type { ConfigIssue, DecisionOptions, Family, PeerConfig, SessionKind, SpeakerConfig } from '../types.ts'
import { numbersOf } from '../wire/family.ts'
import { AS_TRANS } from '../wire/open.ts'
import { checkAddPath } from './check-add-path.ts'
import { checkConfederation, checkMember } from './check-confederation.ts'
import { checkDynamic } from './check-dynamic.ts'
import { addressFix, hopFix, uselessHop } from './check-origination.ts'
import { checkPolicy } from './check-policy.ts'
import { checkPlaces } from './check-places.ts'
import { checkProtection } from './check-protection.ts'
import { checkRole } from './check-role.ts'
import { checkTcpAoPlaces } from './check-tcp-ao.ts'
import { kindOf, localAsOf, outsideAs } from '../session/kind.ts'
import { ownFamily, wantsExtendedNextHop } from '../session/traits.ts'

export function checkConfig(config: SpeakerConfig): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const add = (field: string, value: unknown, reason: string, fix: string) => issues.push({ field, value, reason, fix })
  if (!isAsn(config.asn)) add('asn', config.asn, 'it is no AS number that a speaker can have', asnFix)
  checkConfederation(config, isAsn, asnFix, add)
  if (!isRouterId(config.routerId)) add('routerId', config.routerId, 'it is no router id', routerIdFix)
  if (config.clusterId !== undefined && !isRouterId(config.clusterId)) {
    add('clusterId', config.clusterId, 'it is no cluster id', routerIdFix)
  }
  if (config.listenPort !== undefined && !isWithin(config.listenPort, 0, 65535)) {
    add('listenPort', config.listenPort, 'it is no TCP port', 'give a port from 1 to 65535, or 0 to listen on none')
  }
  for (const address of config.listenAddresses ?? []) {
    if (!parseAddress(address)) add('listenAddresses', address, 'it is no IP address', addressFix)
  }
  const time = config.gracefulRestart?.restartTime
  if (time !== undefined && !isWithin(time, 0, 4095)) {
    add('gracefulRestart.restartTime', time, 'it does not fit into the message', 'give 0 to 4095 seconds')
  }
  const { longLived } = config.gracefulRestart ?? {}
  for (const [family, seconds] of typeof longLived === 'object'
    ? Object.entries(longLived)
    : [['', longLived] as const]) {
    if (seconds === undefined || isWithin(seconds, 0, MOST_LONG_LIVED)) continue
    const field = `gracefulRestart.longLived${family && `.${family}`}`
    add(field, seconds, 'it does not fit into the message', `give 0 to ${MOST_LONG_LIVED} seconds`)
  }
  checkDecision(config.decision ?? {}, add)
  checkNames(config, add)
  for (const [name, peer] of config.peers) issues.push(...checkPeer(name, peer, config))
  issues.push(...checkPlaces(config))
  issues.push(...checkDynamic(config, (name, peer) => checkPeer(name, peer, config)))
  issues.push(...checkTcpAoPlaces(config))
  return issues
}

function checkPeer(name: string, peer: PeerConfig, config: SpeakerConfig): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const add = (field: string, value: unknown, reason: string, fix: string) =>
    issues.push({ peer: name, field, value, reason, fix })
  const address = checkPlace(peer, add)
  if (peer.localAddress !== undefined) {
    const local = parseAddress(peer.localAddress.replace(/%.*$/, ''))
    if (!local) add('localAddress', peer.localAddress, 'it is no IP address', addressFix)
    else if (address && local.family !== address.family) {
      const reason = `it is an IPv${local.family} address, but the peer's is an IPv${address.family} address`
      add('localAddress', peer.localAddress, reason, 'give both in one family')
    }
  }
  if (peer.port !== undefined && !isWithin(peer.port, 1, 65535)) {
    add('port', peer.port, 'it is no TCP port', 'give a port from 1 to 65535')
  }
  const kind = kindOf(config, peer)
  checkRemoteAs(peer, peer.localAs ?? config.asn, add)
  checkMember(peer, config, add)
  if (peer.localAs !== undefined && !isAsn(peer.localAs)) {
    add('localAs', peer.localAs, 'it is no AS number that a speaker can have', asnFix)
  }
  if (peer.holdTime !== undefined && peer.holdTime !== 0 && !isWithin(peer.holdTime, 3, 65535)) {
    add('holdTime', peer.holdTime, 'RFC 4271 forbids it', 'give 3 to 65535 seconds, or 0 for no keepalives')
  }
  if (peer.connectRetry !== undefined && !isWithin(peer.connectRetry, 1, 65535)) {
    add('connectRetry', peer.connectRetry, 'it is no time to wait', 'give 1 to 65535 seconds')
  }
  if (peer.gracefulRestartHelper && !config.gracefulRestart) {
    const reason = 'this speaker does not announce graceful restart, so no peer counts on its help'
    add('gracefulRestartHelper', true, reason, "remove it, or set the speaker's gracefulRestart")
  }
  const long = peer.longLivedHelper
  if (long !== undefined && long !== false && config.gracefulRestart?.longLived === undefined) {
    const reason = 'this speaker does not announce long-lived graceful restart, so no peer counts on its help'
    add('longLivedHelper', long, reason, "remove it, or set the speaker's gracefulRestart.longLived")
  } else if (typeof long === 'number' && !isWithin(long, 0, MOST_LONG_LIVED)) {
    add('longLivedHelper', long, 'it is no time to keep routes', `give 0 to ${MOST_LONG_LIVED} seconds, true or false`)
  }
  if (peer.reflectorClient && kind !== 'ibgp') {
    const reason = `only a peer in AS ${peer.localAs ?? config.asn} can be a client of this route reflector`
    add('reflectorClient', true, reason, 'remove it, or correct remoteAs')
  }
  checkFamilies(peer, add)
  checkAsRules(peer, config, kind, add)
  checkRole(peer, kind !== 'ebgp', add)
  checkProtection(peer, add)
  checkAddPath(peer, add)
  for (const direction of ['import', 'export'] as const) {
    const policy = peer[direction]
    for (const { field, value, reason, fix } of policy ? checkPolicy(policy) : []) {
      add(`${direction}.${field}`, value, reason, fix)
    }
  }
  return issues
}

type Add = (field: string, value: unknown, reason: string, fix: string) => void

/** The address, unless the peer is known by its link. */
function checkPlace({ address: text, interface: link, localAddress }: PeerConfig, add: Add): Address | undefined {
  if (link !== undefined) {
    if (text !== undefined) add('interface', link, `the address ${text} is given as well`, 'remove one of the two')
    if (!/^[^\s/%:]{1,15}$/.test(link)) add('interface', link, 'it is no name of a link', 'write it like eth0')
    if (localAddress !== undefined) {
      const reason = 'the session uses the link-local addresses of the interface'
      add('localAddress', localAddress, reason, 'remove it, or name the peer by its address')
    }
    return undefined
  }
  const address = parseAddress(text?.replace(/%.*$/, '') ?? '')
  if (!address) add('address', text, 'it is no IP address', `${addressFix}; or name the link of the peer as interface`)
  else if (isLinkLocal(address) && !text?.includes('%')) {
    add('address', text, 'a link-local address says nothing without its link', `write it like ${text}%eth0`)
  }
  return address
}

function checkRemoteAs({ remoteAs }: PeerConfig, localAs: number, add: Add): void {
  if (remoteAs === 'internal' || remoteAs === 'external') return
  const list = typeof remoteAs === 'object' ? remoteAs : [remoteAs]
  const fix = `${asnFix}; or write internal for AS ${localAs}, external for any other`
  if (list.length === 0) add('remoteAs', [], 'no peer can be in none', fix)
  for (const asn of list) {
    if (!isAsn(asn)) add('remoteAs', asn, 'it is no AS number that a peer can have', fix)
    else if (asn === localAs && list.length > 1) {
      const reason = 'it is our own AS, and whether a peer is internal must be known before it connects'
      add('remoteAs', asn, reason, 'take it off the list, or make another peer of it')
    }
  }
}

function checkFamilies(peer: PeerConfig, add: Add): void {
  for (const [family, hop] of Object.entries(peer.nextHopSelf ?? {})) {
    if (family !== 'ipv4-unicast' && family !== 'ipv6-unicast') {
      add(`nextHopSelf.${family}`, hop, 'it is no address family that is known', 'use ipv4-unicast or ipv6-unicast')
    } else if (hop !== undefined && !isHopOf(family, hop, wantsExtendedNextHop(peer))) {
      add(`nextHopSelf.${family}`, hop, `it is no address of ${family}`, 'give an address of ours in that family')
    } else if (hop !== undefined) {
      const reason = uselessHop(hop)
      if (reason !== undefined) add(`nextHopSelf.${family}`, hop, reason, hopFix)
    }
  }
  if (!peer.families) return
  if (peer.families.length === 0)
    add('families', [], 'a session without any carries nothing', 'name one, or leave it out')
  if (peer.families.includes('ipv4-unicast') && ownFamily(peer) !== 'ipv4-unicast') {
    if (peer.nextHopSelf?.['ipv4-unicast'] === undefined && !wantsExtendedNextHop(peer)) {
      const reason = 'the session has IPv6 addresses, so there is no next hop of ours for IPv4 routes'
      add(
        'families',
        peer.families,
        reason,
        'set extendedNextHop, or nextHopSelf for ipv4-unicast, or leave that family out',
      )
    }
  }
}

function isHopOf(family: Family, hop: string, extended: boolean): boolean {
  const octets = parseAddress(hop)?.octets.length ?? 0
  return octets * 8 === numbersOf(family).bits || (extended && octets === 16)
}

function checkAsRules(peer: PeerConfig, config: SpeakerConfig, kind: SessionKind, add: Add): void {
  const { localAsMode, allowAsIn } = peer
  const localAs = localAsOf(config, peer)
  if (localAsMode !== undefined && !['replace', 'no-prepend', 'prepend'].includes(localAsMode)) {
    add('localAsMode', localAsMode, 'it is none that is known', 'use replace, no-prepend or prepend')
  } else if (localAsMode !== undefined && (localAs === outsideAs(config) || localAs === config.asn)) {
    const reason = `the peer knows us by AS ${localAs}, which is our own`
    add('localAsMode', localAsMode, reason, 'set localAs to the other AS, or remove it')
  }
  if (allowAsIn !== undefined && !isWithin(allowAsIn, 0, 255)) {
    add('allowAsIn', allowAsIn, 'it is no number of times', 'give 0 to 255')
  }
  if (peer.removePrivateAs !== undefined && !['remove', 'replace'].includes(peer.removePrivateAs)) {
    add('removePrivateAs', peer.removePrivateAs, 'it is none that is known', 'use remove or replace, or leave it out')
  }
  if (kind === 'ebgp') {
    if (!peer.sendLongLived) return
    const reason = 'the peer is outside of our AS, and routes kept for long stay inside ours (RFC 9494 §4.6)'
    return add('sendLongLived', true, reason, 'remove it, or correct remoteAs')
  }
  for (const field of ['asOverride', 'removePrivateAs', 'enforceFirstAs', 'sendBlackhole'] as const) {
    if (!peer[field] || (kind === 'confed-ebgp' && field === 'enforceFirstAs')) continue
    const where = kind === 'ibgp' ? `AS ${localAs}` : 'our confederation'
    const reason = `the peer is in ${where} as we are, and paths to and from it are not changed`
    add(field, peer[field], reason, 'remove it, or correct remoteAs')
  }
}

/** Two texts behind their lengths have to fit into 255 octets; others take no more than 64 each. */
function checkNames(config: SpeakerConfig, add: Add): void {
  for (const field of ['hostname', 'domainName', 'softwareVersion'] as const) {
    const value = config[field]
    if (value === undefined) continue
    const octets = new TextEncoder().encode(value).length
    if (octets === 0 || octets > 64)
      add(field, value, `it has ${octets} octets`, 'give 1 to 64 octets, or leave it out')
    else if (/\p{Cc}/u.test(value)) add(field, value, 'it has control characters', 'leave them out')
  }
  if (config.domainName !== undefined && config.hostname === undefined) {
    add('domainName', config.domainName, 'it is told beside a hostname only', 'give hostname too, or remove it')
  }
}

function checkDecision({ missingMed, multipath }: DecisionOptions, add: Add): void {
  if (missingMed !== undefined && missingMed !== 'lowest' && missingMed !== 'highest') {
    add('decision.missingMed', missingMed, 'it is none that is known', 'use lowest or highest')
  }
  if (multipath !== undefined && !['relaxed', 'equal', 'off'].includes(multipath)) {
    add('decision.multipath', multipath, 'it is none that is known', 'use relaxed, equal or off')
  }
}

/** 24 bits (RFC 9494 §3.1). */
const MOST_LONG_LIVED = 0xffffff
const asnFix = `give a number from 1 to 4294967294, not ${AS_TRANS} (RFC 6793) and not 65535 (RFC 7300)`
const routerIdFix = 'write it like an IPv4 address, not 0.0.0.0; any number unique among the speakers will do'

function isAsn(value: number): boolean {
  return isWithin(value, 1, 4294967294) && value !== AS_TRANS && value !== 65535
}

function isRouterId(text: string): boolean {
  const address = parseAddress(text)
  return address?.family === 4 && address.octets.some(octet => octet !== 0)
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}

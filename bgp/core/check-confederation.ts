// A confederation (RFC 5065), as it is configured, and what its peers may not have.

import { kindOf, isOtherMember } from '../session/kind.ts'
import type { PeerConfig, SpeakerConfig } from '../types.ts'

type Add = (field: string, value: unknown, reason: string, fix: string) => void

export function checkConfederation(
  { asn, confederation }: SpeakerConfig,
  isAsn: (value: number) => boolean,
  asnFix: string,
  add: Add,
): void {
  if (!confederation) return
  const { identifier, members } = confederation
  if (!isAsn(identifier)) add('confederation.identifier', identifier, 'it is no AS number', asnFix)
  if (identifier === asn) {
    const reason = 'it is our own AS, so the peers could not tell the confederation from its member'
    add(
      'confederation.identifier',
      identifier,
      reason,
      'give the member an AS number of its own, a private one will do',
    )
  }
  for (const member of members) {
    if (!isAsn(member)) add('confederation.members', member, 'it is no AS number', asnFix)
    else if (member === identifier) {
      const reason = 'it is the identifier of the whole, and no member can have it'
      add('confederation.members', member, reason, 'take it off the list')
    }
  }
}

/** What is wrong with a peer because of the confederation. */
export function checkMember(peer: PeerConfig, config: SpeakerConfig, add: Add): void {
  const { confederation, asn } = config
  if (!confederation) return
  const { remoteAs, localAs } = peer
  const list = typeof remoteAs === 'object' ? remoteAs : [remoteAs]
  if (list.includes(confederation.identifier)) {
    const reason = 'it is our own confederation, whose members know each other by their own AS'
    add('remoteAs', remoteAs, reason, "give the AS of the peer's member, and list it in confederation.members")
  }
  const members = list.filter(one => typeof one === 'number' && isOtherMember(config, one))
  if (members.length > 0 && members.length < list.length) {
    const reason = `only ${members.join(', ')} belongs to our confederation, which must be known before the peer connects`
    add('remoteAs', remoteAs, reason, 'make two peers of it')
  }
  if (localAs === undefined) return
  if (kindOf(config, peer) !== 'ebgp') {
    add('localAs', localAs, 'inside the confederation everyone is known by its own AS', 'remove it')
  } else if (localAs === asn || isOtherMember(config, localAs)) {
    const reason = 'it is a member of our confederation, which the outside must not see (RFC 5065 §4.1)'
    add('localAs', localAs, reason, `remove it, and the peer knows us by ${confederation.identifier}`)
  }
}

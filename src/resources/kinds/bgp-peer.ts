// BGPPeer: sessions that some nodes have with a router, or with other nodes chosen by a selector.

import * as v from 'valibot'
import {
  addressAndPort,
  asNumber,
  choice,
  connectRetryTime,
  flag,
  holdTime,
  line,
  objectName,
  selector,
} from '../fields.ts'
import { defineKind, type Resource } from '../kind.ts'
import { Refusal } from '../problem.ts'
import { described, type Misfit, whole } from '../schema.ts'

const fields = v.strictObject({
  node: v.optional(
    described(objectName(), 'The one node that has the session. Neither this nor nodeSelector: all nodes.'),
  ),
  nodeSelector: v.optional(described(selector(), 'The nodes that have the session. Not together with node.')),
  peerIP: v.optional(
    described(addressAndPort(), "The router's address, and its port if that is not 179. Needs asNumber."),
  ),
  asNumber: v.optional(described(asNumber(), "The router's AS. Needs peerIP.")),
  peerSelector: v.optional(
    described(
      selector(),
      'The nodes to have the session with, by label, instead of peerIP and asNumber; both ends set it up.',
    ),
  ),
  holdTime: v.optional(described(holdTime(), 'Absent: that of the BGPConfiguration.')),
  connectRetryTime: v.optional(described(connectRetryTime(), 'Absent: that of the BGPConfiguration.')),
  nextHopMode: v.optional(
    described(
      choice('Auto', 'Self', 'Keep'),
      'Next hop of the routes sent: Auto: as RFC 4271 §5.1.3 says for the kind of session; Self: this node; Keep: as received.',
    ),
    'Auto',
  ),
  sourceAddress: v.optional(
    described(
      choice('UseNodeIP', 'None'),
      "Our end of the session: the node's address of the Node, or what the kernel chooses.",
    ),
    'UseNodeIP',
  ),
  passive: v.optional(described(flag(), 'Wait for the other end to connect.'), false),
  acceptDefaultRoute: v.optional(described(flag(), 'Take a default route from this peer.'), false),
  description: v.optional(described(line(), 'Shown in tables and logs.')),
})

type Fields = v.InferOutput<typeof fields>

const spec = v.pipe(fields, whole(check))

/** Who has the session: node, nodeSelector or nothing. With whom: peerIP and asNumber, or peerSelector. */
function check(peer: Fields): Misfit<keyof Fields> | undefined {
  const wrong = (field: keyof Fields, what: string, why: string, fix: string): Misfit<keyof Fields> => ({
    field,
    refusal: new Refusal(what, why, fix),
  })
  if (peer.node !== undefined && peer.nodeSelector !== undefined)
    return wrong('nodeSelector', 'stands beside node', 'Both say which nodes have the session.', 'Remove one of them.')
  if (peer.peerSelector !== undefined && peer.peerIP !== undefined)
    return wrong('peerSelector', 'stands beside peerIP', 'Both say whom the session is with.', 'Remove one of them.')
  if (peer.peerSelector !== undefined && peer.asNumber !== undefined)
    return wrong('asNumber', 'stands beside peerSelector', 'The AS of a node is in its Node.', 'Remove asNumber.')
  if (peer.peerSelector === undefined && peer.peerIP === undefined)
    return wrong(
      'peerIP',
      'is missing',
      'A peer is a router (peerIP and asNumber) or nodes (peerSelector).',
      'Add peerIP and asNumber, or peerSelector.',
    )
  if (peer.peerIP !== undefined && peer.asNumber === undefined)
    return wrong(
      'asNumber',
      'is missing',
      'It tells eBGP from iBGP, and the other end has to name the same.',
      `Add the AS of ${peer.peerIP}.`,
    )
  return undefined
}

export type BGPPeerSpec = v.InferOutput<typeof spec>
export type BGPPeerResource = Resource<'BGPPeer', BGPPeerSpec>

export const bgpPeer = defineKind({
  kind: 'BGPPeer',
  plural: 'bgppeers',
  short: ['peer', 'peers'],
  summary: 'Sessions that some nodes have with a router, or with other nodes.',
  spec,
  foreign: {
    keepOriginalNextHop: {
      why: 'It is the old form of nextHopMode.',
      fix: 'Write nextHopMode: Keep.',
      same: value => value === false,
    },
    keepaliveTime: {
      why: 'Keepalives go out every third of the hold time (RFC 4271 §4.4).',
      fix: 'Set holdTime instead.',
    },
    password: { why: 'Margay has no passwords on sessions so far.' },
    filters: { why: 'Margay has no BGPFilter so far.' },
    maxRestartTime: { why: 'Margay does not set the restart time by resource.' },
    localASNumber: { why: 'A node has one AS, in its Node.' },
    numAllowedLocalASNumbers: { why: 'Margay refuses routes that carry its own AS (RFC 4271 §9.1.2).' },
    ttlSecurity: { why: 'Margay has no TTL security (RFC 5082) so far.' },
    reachableBy: { why: 'Margay takes the route to a peer from the kernel.' },
    reversePeering: {
      why: 'Both ends of a session between nodes are set up by one object.',
      same: value => value === 'Auto',
    },
  },
  example: `apiVersion: margay.io/v1
kind: BGPPeer
metadata:
  name: rack1-tor
spec:
  nodeSelector: rack == 'r1'
  peerIP: 10.0.1.1
  asNumber: 65101
`,
})

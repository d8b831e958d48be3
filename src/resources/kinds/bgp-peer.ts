// BGPPeer: sessions that some nodes have with a router, or with other nodes chosen by a selector.

import * as v from 'valibot'
import {
  absolutePath,
  addressAndPort,
  asNumber,
  choice,
  connectRetryTime,
  flag,
  holdTime,
  integer,
  line,
  linkPattern,
  objectName,
  seconds,
  selector,
  variable,
} from '../fields.ts'
import { defineKind, type Resource } from '../kind.ts'
import { Refusal } from '../problem.ts'
import { described, type Misfit, whole } from '../schema.ts'

const password = v.strictObject({
  file: v.optional(
    described(
      absolutePath(),
      'A file on each node whose first line is the key; a change is taken over without a flap.',
    ),
  ),
  env: v.optional(described(variable(), 'A variable in the environment of margayd on each node.')),
})

const maxPrefixes = v.strictObject({
  limit: described(
    integer('number of prefixes', 1, 4294967295, 'It counts the prefixes that the peer announces.'),
    'The most prefixes that the peer may announce, of each family.',
  ),
  warnAt: v.optional(
    described(
      integer('number of prefixes', 1, 4294967295, 'It is reached before the limit.'),
      'Prefixes at which margayd warns. Absent: three quarters of limit.',
    ),
  ),
  action: v.optional(
    described(
      choice('Restart', 'Reject', 'Warn'),
      'Beyond limit: Restart: end the session and rest (RFC 4486); Reject: leave the rest out; Warn: only say so.',
    ),
    'Restart',
  ),
  restartAfter: v.optional(
    described(
      seconds(count => count <= 86400, 'from 0 to 86400 seconds', 'It is the rest after Restart.'),
      'How long Restart rests; 0: until limit changes.',
    ),
    300,
  ),
})

const fields = v.strictObject({
  node: v.optional(
    described(objectName(), 'The one node that has the session. Neither this nor nodeSelector: all nodes.'),
  ),
  nodeSelector: v.optional(described(selector(), 'The nodes that have the session. Not together with node.')),
  peerIP: v.optional(
    described(addressAndPort(), "The router's address, and its port if that is not 179. Needs asNumber."),
  ),
  interface: v.optional(
    described(
      linkPattern(),
      'In the place of peerIP: the link on which the router is, alone, or several by * and ?. Nobody needs an address there (unnumbered; RFC 8950). Needs asNumber or remoteAs.',
    ),
  ),
  asNumber: v.optional(described(asNumber(), "The router's AS. Needs peerIP or interface.")),
  remoteAs: v.optional(
    described(
      choice('External', 'Internal'),
      "In the place of asNumber, with interface: any AS but the node's, or the node's.",
    ),
  ),
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
  password: v.optional(
    described(password, 'Key of TCP-MD5 (RFC 2385), 1 to 80 octets. It stands in a file or variable, never here.'),
  ),
  ttlSecurity: v.optional(
    described(
      integer('number of links', 1, 254, 'A packet crosses so many links at most (RFC 5082).'),
      'GTSM (RFC 5082): links between the two, 1 if they share one. What comes from farther is dropped. Both ends need it.',
    ),
  ),
  maxPrefixes: v.optional(
    described(maxPrefixes, 'How many prefixes the peer may announce. Absent: 2,000,000 of each family, then Restart.'),
  ),
  description: v.optional(described(line(), 'Shown in tables and logs.')),
})

type Fields = v.InferOutput<typeof fields>

const spec = v.pipe(fields, whole(check))

/** Who has the session: node, nodeSelector or nothing. With whom: peerIP or interface, with an AS, or peerSelector. */
function check(peer: Fields): Misfit<keyof Fields> | undefined {
  const wrong = (field: keyof Fields, what: string, why: string, fix: string): Misfit<keyof Fields> => ({
    field,
    refusal: new Refusal(what, why, fix),
  })
  if (peer.node !== undefined && peer.nodeSelector !== undefined)
    return wrong('nodeSelector', 'stands beside node', 'Both say which nodes have the session.', 'Remove one of them.')
  for (const other of ['peerIP', 'interface'] as const)
    if (peer.peerSelector !== undefined && peer[other] !== undefined)
      return wrong(
        'peerSelector',
        `stands beside ${other}`,
        'Both say whom the session is with.',
        'Remove one of them.',
      )
  if (peer.interface !== undefined && peer.peerIP !== undefined)
    return wrong('interface', 'stands beside peerIP', 'Both say where the router is.', 'Remove one of them.')
  if (peer.peerSelector !== undefined && peer.asNumber !== undefined)
    return wrong('asNumber', 'stands beside peerSelector', 'The AS of a node is in its Node.', 'Remove asNumber.')
  if (peer.remoteAs !== undefined && peer.interface === undefined)
    return wrong('remoteAs', 'stands without interface', 'It is for peers that are found.', 'Write asNumber instead.')
  if (peer.remoteAs !== undefined && peer.asNumber !== undefined)
    return wrong('remoteAs', 'stands beside asNumber', 'Both say which AS the peer is in.', 'Remove one of them.')
  if (peer.peerSelector === undefined && peer.peerIP === undefined && peer.interface === undefined)
    return wrong(
      'peerIP',
      'is missing',
      'A peer is a router (peerIP or interface, and its AS) or nodes (peerSelector).',
      'Add peerIP and asNumber, or interface and remoteAs, or peerSelector.',
    )
  if (peer.interface !== undefined && peer.asNumber === undefined && peer.remoteAs === undefined)
    return wrong(
      'asNumber',
      'is missing',
      'It tells eBGP from iBGP.',
      `Add the AS of the router on ${peer.interface}, or remoteAs: External.`,
    )
  if (peer.peerIP !== undefined && peer.asNumber === undefined)
    return wrong(
      'asNumber',
      'is missing',
      'It tells eBGP from iBGP, and the other end has to name the same.',
      `Add the AS of ${peer.peerIP}.`,
    )
  if (peer.password && (peer.password.file === undefined) === (peer.password.env === undefined))
    return wrong(
      'password',
      'names not exactly one place',
      'The key is read from a file or from a variable.',
      'Write either file or env below it.',
    )
  const { limit, warnAt = 1 } = peer.maxPrefixes ?? { limit: 1 }
  if (warnAt > limit)
    return wrong('maxPrefixes', `has warnAt ${warnAt}`, `The limit is ${limit}.`, 'Give a warnAt up to the limit.')
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
    'password.secretKeyRef': {
      why: 'Margay reads no Kubernetes secrets.',
      fix: 'Write password.file or password.env, and bring the key to the nodes.',
    },
    filters: { why: 'Margay has no BGPFilter so far.' },
    maxRestartTime: { why: 'Margay does not set the restart time by resource.' },
    localASNumber: { why: 'A node has one AS, in its Node.' },
    numAllowedLocalASNumbers: { why: 'Margay refuses routes that carry its own AS (RFC 4271 §9.1.2).' },
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

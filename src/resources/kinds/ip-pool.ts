// IPPool: a range that nodes take blocks from and pods get addresses from.

import * as v from 'valibot'
import { parsePrefix, type Prefix } from '../../../inet/index.ts'
import { blockSizes, choice, cidr, flag, integer, selector } from '../fields.ts'
import { defineKind, type Resource } from '../kind.ts'
import { Refusal } from '../problem.ts'
import { described, type Misfit, whole } from '../schema.ts'

const modes = ['Never', 'CrossSubnet', 'Always'] as const

/** What may get an address of a pool. */
export const poolUses = ['Workload', 'Tunnel'] as const
export type PoolUse = (typeof poolUses)[number]

/** The fields that say how packets are wrapped; in one pool at most one of them is not Never. */
export const tunnelModes = [
  { kind: 'ipip', field: 'ipipMode', name: 'IPIP', onlyIPv4: true },
  { kind: 'vxlan', field: 'vxlanMode', name: 'VXLAN', onlyIPv4: false },
  { kind: 'gre', field: 'greMode', name: 'GRE', onlyIPv4: true },
  { kind: 'fou', field: 'fouMode', name: 'FoU', onlyIPv4: true },
  { kind: 'gue', field: 'gueMode', name: 'GUE', onlyIPv4: true },
  { kind: 'wireguard', field: 'wireguardMode', name: 'WireGuard', onlyIPv4: false },
] as const

const fields = v.strictObject({
  cidr: described(cidr(), 'The range. Cannot change.'),
  blockSize: v.optional(
    described(
      integer(
        'prefix length',
        20,
        128,
        'It is the prefix length of the blocks: 20 to 32 for IPv4, 116 to 128 for IPv6.',
      ),
      'Prefix length of the blocks that nodes take: 20–32 for IPv4 (default 26), 116–128 for IPv6 (default 122). Cannot change.',
    ),
  ),
  nodeSelector: v.optional(described(selector(), 'Nodes that may take blocks of this pool.'), 'all()'),
  namespaceSelector: v.optional(
    described(
      selector(),
      "Namespaces whose pods may get addresses of this pool. A namespace has the label `kubernetes.io/metadata.name` (and `projectcalico.org/name`) with its name, and no other; a pod whose runtime names no namespace has none, so only `all()` selects it. Example: `kubernetes.io/metadata.name == 'web'`.",
    ),
    'all()',
  ),
  allowedUses: v.optional(
    described(
      v.pipe(v.array(choice(...poolUses)), v.metadata({ form: 'list of Workload, Tunnel' })),
      "What gets addresses of this pool: pods (Workload), the node's own tunnel devices (Tunnel); an empty list is both.",
    ),
    ['Workload', 'Tunnel'],
  ),
  assignmentMode: v.optional(
    described(
      choice('Automatic', 'Manual'),
      'Manual: only for pods that ask for an address of this pool, or for the pool, by name; others do without where there is no other pool of the family.',
    ),
    'Automatic',
  ),
  disabled: v.optional(
    described(
      flag(),
      'No new addresses from this pool; what is in use stays. Where no other pool of its family is for a pod, that one gets no address at all.',
    ),
    false,
  ),
  disableBGPExport: v.optional(described(flag(), 'Do not announce the blocks of this pool.'), false),
  ipipMode: v.optional(
    described(
      choice(...modes),
      "IPIP tunnels between nodes, IPv4 only: to every node, to nodes outside the node's own subnet, or none. See [encapsulation](encapsulation.md).",
    ),
    'Never',
  ),
  vxlanMode: v.optional(described(choice(...modes), 'VXLAN tunnels between nodes, in the same words.'), 'Never'),
  greMode: v.optional(
    described(choice(...modes), 'GRE tunnels between nodes, IPv4 only, in the same words. Ours; Calico has none.'),
    'Never',
  ),
  fouMode: v.optional(
    described(
      choice(...modes),
      'GRE in UDP (Foo-over-UDP) between nodes, port 5556, IPv4 only, in the same words: for networks that pass only UDP. Ours; Calico has none.',
    ),
    'Never',
  ),
  gueMode: v.optional(
    described(
      choice(...modes),
      'The same with a header of Generic UDP Encapsulation, port 6080, which other devices know by its number. Ours; Calico has none.',
    ),
    'Never',
  ),
  wireguardMode: v.optional(
    described(
      choice(...modes),
      'WireGuard tunnels between nodes, which encrypt, in the same words. Calico switches it for the whole cluster (FelixConfiguration `wireguardEnabled`).',
    ),
    'Never',
  ),
  natOutgoing: v.optional(
    described(
      flag(),
      'Packets of pods of this pool to the outside leave under the address of their node; to pods (of any pool, disabled ones too) and nodes they keep their own.',
    ),
    false,
  ),
  natOutgoingExclusions: v.optional(
    described(
      v.pipe(v.array(cidr()), v.metadata({ form: 'list of CIDRs' })),
      'With natOutgoing: networks of the outside to which pods of this pool keep their own address, too (storage, another cluster). See [packet filter](packet-filter.md).',
    ),
  ),
})

type Fields = v.InferOutput<typeof fields>

const spec = v.pipe(
  fields,
  whole(check),
  v.transform(pool => ({
    ...pool,
    blockSize: blockSizeOf(pool),
    allowedUses: pool.allowedUses.length > 0 ? pool.allowedUses : [...poolUses],
  })),
)

function rangeOf(pool: Fields): Prefix {
  const range = parsePrefix(pool.cidr)
  if (!range) throw new Error(`${pool.cidr} has passed as a CIDR`)
  return range
}

function blockSizeOf(pool: Fields): number {
  const range = rangeOf(pool)
  return pool.blockSize ?? Math.max(blockSizes[range.family].usual, range.length)
}

function check(pool: Fields): Misfit<keyof Fields> | undefined {
  const range = rangeOf(pool)
  const { min, max, usual } = blockSizes[range.family]
  const size = blockSizeOf(pool)
  const wrong = (field: keyof Fields, what: string, why: string, fix: string): Misfit<keyof Fields> => ({
    field,
    refusal: new Refusal(what, why, fix),
  })
  if (size < min || size > max)
    return wrong(
      'blockSize',
      `is not from ${min} to ${max}`,
      `It is the prefix length of the blocks of an IPv${range.family} pool.`,
      `Write a number from ${min} to ${max}; ${usual} is usual.`,
    )
  if (size < range.length)
    return wrong(
      'blockSize',
      `is less than the length of ${pool.cidr}`,
      'A block is a part of its pool.',
      `Write a number from ${Math.max(min, range.length)} to ${max}.`,
    )
  const [first, second] = tunnelModes.filter(({ field }) => pool[field] !== 'Never')
  if (first && second)
    return wrong(
      first.field,
      `stands beside ${second.field} ${pool[second.field]}`,
      'A packet is wrapped once.',
      'Write Never for one of the two.',
    )
  if (first?.onlyIPv4 && range.family === 6)
    return wrong(
      first.field,
      `is for IPv4, and ${pool.cidr} is IPv6`,
      `${first.name} carries IPv4 in IPv4.`,
      'Write Never; vxlanMode serves IPv6 too.',
    )
  const stranger = pool.natOutgoingExclusions?.find(each => parsePrefix(each)?.family !== range.family)
  if (stranger !== undefined)
    return wrong(
      'natOutgoingExclusions',
      `names ${stranger}, and ${pool.cidr} is IPv${range.family}`,
      'A packet has a source and a destination of one family.',
      `Name ${stranger} in the IPv${range.family === 4 ? 6 : 4} pool.`,
    )
  if (pool.natOutgoingExclusions?.length && !pool.natOutgoing)
    return wrong(
      'natOutgoingExclusions',
      'stands without natOutgoing: true',
      'Pods of this pool keep their own address wherever they send to.',
      'Write natOutgoing: true, or remove natOutgoingExclusions.',
    )
  return undefined
}

export type IPPoolSpec = v.InferOutput<typeof spec>
export type IPPoolResource = Resource<'IPPool', IPPoolSpec>

export const ipPool = defineKind({
  kind: 'IPPool',
  plural: 'ippools',
  short: ['pool', 'pools'],
  summary: 'A range of addresses that nodes take blocks from, for their pods.',
  spec,
  foreign: {
    'nat-outgoing': { why: 'It is the old name of natOutgoing.', fix: 'Write natOutgoing.' },
    ipip: { why: 'It is the old form of ipipMode.', fix: 'Write ipipMode.' },
  },
  example: `apiVersion: margay.io/v1
kind: IPPool
metadata:
  name: default
spec:
  cidr: 10.42.0.0/16
  blockSize: 26
`,
})

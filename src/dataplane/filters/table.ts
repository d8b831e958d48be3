// Our nftables table, worked out of the rules: `inet margay`, with one chain for each of the things it does.

import { intervals } from '../../../netlink/index.ts'
import type {
  Expression,
  NetfilterChain,
  NetfilterRule,
  NetfilterSet,
  NetfilterTable,
  TableId,
} from '../../../netlink/netfilter/types.ts'
import type { FilterRules } from '../../model/intent.ts'
import { hostDevicePrefix } from '../endpoints/names.ts'

export const ourTable: TableId = { family: 'inet', name: 'margay' }
/** By it we know our table again; one without it is somebody else's. */
export const ourComment = 'made by margayd, which undoes what others change here'

/** NFPROTO_…, and where a header has its addresses (RFC 791 §3.1, RFC 8200 §3). */
const families = [
  { version: 4, key: 'ipv4', nfproto: 2, length: 4, source: 12, destination: 16 },
  { version: 6, key: 'ipv6', nfproto: 10, length: 16, source: 8, destination: 24 },
] as const
type FamilyRow = (typeof families)[number]

/** NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT */
const sourceByIncomingDevice = 1 | 8 | 32

/** Priorities of linux/netfilter_ipv4.h: before connection tracking, and where sources are translated. */
const raw = -300
const srcnat = 100

export function tableOf(rules: FilterRules): NetfilterTable {
  const { sets, chain } = natOutgoing(rules)
  return { ...ourTable, comment: ourComment, sets, chains: [antiSpoofing, ...(chain ? [chain] : [])] }
}

/**
 * A pod sends from its own addresses only: the node's route back to the source must lead to the device that the packet came from, and
 * just the pod's own addresses are routed there. No list of pods, so nothing to write when one comes or goes.
 */
const antiSpoofing: NetfilterChain = {
  name: 'anti_spoofing',
  hook: { at: 'prerouting', type: 'filter', priority: raw, policy: 'accept' },
  rules: [
    {
      comment: 'a source that is not the own address of the pod',
      expressions: [
        { do: 'meta', to: 1, key: 'iifname' },
        { do: 'cmp', from: 1, is: 'eq', value: new TextEncoder().encode(hostDevicePrefix) },
        { do: 'fib', to: 1, result: 'oif', flags: sourceByIncomingDevice },
        { do: 'cmp', from: 1, is: 'eq', value: new Uint8Array(4) },
        { do: 'counter' },
        { do: 'verdict', verdict: 'drop' },
      ],
    },
  ],
}

/** Chain and sets; without a pool that asks for it there is neither, and so no connection tracking for its sake. */
function natOutgoing(rules: FilterRules): { sets: readonly NetfilterSet[]; chain?: NetfilterChain } {
  const sets: NetfilterSet[] = []
  const natRules = families.flatMap((family): readonly NetfilterRule[] => {
    const lists = Object.entries({ masquerade: rules.masquerade, nodes: rules.nodes, pools: rules.pools })
    const own = lists.map(([name, list]) => ({ name, prefixes: list.filter(prefix => isOf(family, prefix)) }))
    const filled = own.filter(({ prefixes }) => prefixes.length > 0)
    if (!filled.some(({ name }) => name === 'masquerade')) return []
    for (const { name, prefixes } of filled)
      sets.push({ name: `${name}${family.version}`, key: family.key, interval: true, elements: intervals(prefixes) })
    return [
      {
        expressions: [
          { do: 'meta', to: 1, key: 'nfproto' },
          { do: 'cmp', from: 1, is: 'eq', value: Uint8Array.of(family.nfproto) },
          ...address(family, 'source'),
          { do: 'lookup', from: 1, set: `masquerade${family.version}` },
          ...address(family, 'destination'),
          ...filled
            .filter(({ name }) => name !== 'masquerade')
            .map(({ name }): Expression => ({ do: 'lookup', from: 1, set: `${name}${family.version}`, not: true })),
          { do: 'masquerade' },
        ],
      },
    ]
  })
  if (natRules.length === 0) return { sets: [] }
  return {
    sets: sets.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    chain: {
      name: 'nat_outgoing',
      hook: { at: 'postrouting', type: 'nat', priority: srcnat, policy: 'accept' },
      rules: natRules,
    },
  }
}

function isOf(family: FamilyRow, prefix: string): boolean {
  return prefix.includes(':') === (family.version === 6)
}

function address(family: FamilyRow, which: 'source' | 'destination'): readonly Expression[] {
  return [{ do: 'payload', to: 1, base: 'network', offset: family[which], length: family.length }]
}

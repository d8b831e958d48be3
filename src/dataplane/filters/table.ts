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
import type { TunnelKind } from '../../model/tunnel.ts'
import { wireguardPort } from '../../model/wireguard.ts'
import { overUdp } from '../encapsulation/fou.ts'
import { vxlanId, vxlanPort } from '../encapsulation/vxlan.ts'
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

const uncheckedName = 'unchecked'
/** IFNAMSIZ of linux/if.h: a name is filled up with zeros. */
const ifNameSize = 16

/** IPPROTO_…, and the length of a UDP header (RFC 768). */
const ipInIp = 4
const greProtocol = 47
/** Without options (RFC 2784 §2.1). */
const greHeader = 4
const tcp = 6
const udp = 17
const udpHeader = 8
/** What makes it four octets longer: a sequence number (RFC 2890 §2), and Cisco's WCCP by its protocol number. */
const greLonger = [transport(0, Uint8Array.of(0x10, 0)), transport(2, Uint8Array.of(0x88, 0x3e))]
/** Flags of TCP, octet 13 of its header (RFC 9293 §3.1). */
const syn = 0x02
const rst = 0x04

/** NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT */
const sourceByIncomingDevice = 1 | 8 | 32

/** Priorities of linux/netfilter_ipv4.h: before connection tracking, where headers are altered, and where sources are translated. */
const raw = -300
const mangle = -150
const srcnat = 100

export interface TableOptions {
  readonly clampMss?: boolean
  /** Devices of pods that may send from any address. */
  readonly unchecked?: readonly string[]
}

export function tableOf(rules: FilterRules, { clampMss = false, unchecked = [] }: TableOptions = {}): NetfilterTable {
  const chains = [
    antiSpoofing(unchecked.length > 0),
    ...(clampMss ? [mssClamp] : []),
    ...tunnelEnds(rules),
    ...natOutgoing(rules),
  ]
  return { ...ourTable, comment: ourComment, sets: [...setsOf(rules, chains), ...uncheckedSet(unchecked)], chains }
}

/** The sets that the chains look into, by name. */
function setsOf(rules: FilterRules, chains: readonly NetfilterChain[]): readonly NetfilterSet[] {
  const used = new Set(
    chains
      .flatMap(chain => chain.rules.flatMap(rule => rule.expressions))
      .flatMap(expression => (expression.do === 'lookup' ? [expression.set] : [])),
  )
  return Object.entries(listsOf(rules))
    .toSorted(([a], [b]) => (a < b ? -1 : 1)) // as in a dump
    .flatMap(([list, prefixes]) =>
      families
        .filter(({ version }) => used.has(`${list}${version}`))
        .map(family => ({
          name: `${list}${family.version}`,
          key: family.key,
          interval: true,
          elements: intervals(prefixes.filter(prefix => isOf(family, prefix))),
        })),
    )
}

/** Without such a pod there is no set, so the usual ones come and go without a write. */
function uncheckedSet(devices: readonly string[]): readonly NetfilterSet[] {
  if (devices.length === 0) return []
  return [
    { name: uncheckedName, key: 'device', interval: false, elements: devices.map(name => ({ key: padded(name) })) },
  ]
}

function padded(name: string): Uint8Array {
  const key = new Uint8Array(ifNameSize)
  new TextEncoder().encodeInto(name, key)
  return key
}

/** What becomes sets, one a family: by their names without the family. */
function listsOf({ masquerade, pools, nodes, exclusions }: FilterRules): Readonly<Record<string, readonly string[]>> {
  return {
    masquerade,
    pools,
    nodes,
    ...Object.fromEntries(
      exclusions.flatMap((each, i) => [
        [excluding(i), each.pools],
        [excluded(i), each.destinations],
      ]),
    ),
  }
}

/** Names of the lists of the i-th exclusion: whose packets, and where they go to. */
const excluding = (i: number): string => `excluding_${i}_`
const excluded = (i: number): string => `excluded_${i}_`

/**
 * A pod sends from its own addresses only: the node's route back to the source must lead to the device that the packet came from, and
 * just the pod's own addresses are routed there. No list of pods, so nothing to write when one comes or goes; `excepting`: those of the
 * set `unchecked` are let through.
 */
const antiSpoofing = (excepting: boolean): NetfilterChain => ({
  name: 'anti_spoofing',
  hook: { at: 'prerouting', type: 'filter', priority: raw, policy: 'accept' },
  rules: [
    {
      comment: 'a source that is not the own address of the pod',
      expressions: [
        ...isPodDevice('iifname'),
        ...(excepting ? ([{ do: 'lookup', from: 1, set: uncheckedName, not: true }] as const) : []),
        { do: 'fib', to: 1, result: 'oif', flags: sourceByIncomingDevice },
        { do: 'cmp', from: 1, is: 'eq', value: new Uint8Array(4) },
        { do: 'counter' },
        { do: 'verdict', verdict: 'drop' },
      ],
    },
  ],
})

/**
 * SYNs of pods, in either direction: the MSS is lowered to what the routes there and back leave (RFC 9293 §3.7.1), for networks that drop the
 * ICMP errors by which TCP would find out itself.
 */
const mssClamp: NetfilterChain = {
  name: 'clamp_mss',
  hook: { at: 'forward', type: 'filter', priority: mangle, policy: 'accept' },
  rules: (['iifname', 'oifname'] as const).map(key => ({
    expressions: [
      ...isPodDevice(key),
      ...isProtocol(tcp),
      { do: 'payload', to: 1, base: 'transport', offset: 13, length: 1 },
      { do: 'bitwise', from: 1, to: 1, length: 1, mask: Uint8Array.of(syn | rst), xor: Uint8Array.of(0) },
      { do: 'cmp', from: 1, is: 'eq', value: Uint8Array.of(syn) },
      { do: 'rt', to: 1, key: 'tcpmss' },
      { do: 'byteorder', from: 1, to: 1, op: 'hton', length: 2, size: 2 },
      { do: 'exthdr', op: 'tcpopt', type: 2, offset: 2, length: 2, from: 1 },
    ],
  })),
}

/** Without a pool that asks for it there is no such chain, and so no connection tracking for its sake. */
function natOutgoing(rules: FilterRules): readonly NetfilterChain[] {
  const asking = families.filter(family => rules.masquerade.some(prefix => isOf(family, prefix)))
  const natRules = asking.flatMap((family): readonly NetfilterRule[] => [
    ...rules.exclusions.flatMap(({ pools }, i) =>
      pools.some(prefix => isOf(family, prefix))
        ? [
            {
              comment: 'to networks that the pool excludes',
              expressions: [
                ...isFamily(family),
                ...address(family, 'source', excluding(i)),
                ...address(family, 'destination', excluded(i)),
                { do: 'verdict', verdict: 'accept' } as const,
              ],
            },
          ]
        : [],
    ),
    {
      expressions: [
        ...isFamily(family),
        ...address(family, 'source', 'masquerade'),
        ...address(family, 'destination', 'pools', true),
        ...address(family, 'destination', 'nodes', true),
        { do: 'masquerade' },
      ],
    },
  ])
  if (natRules.length === 0) return []
  return [
    {
      name: 'nat_outgoing',
      hook: { at: 'postrouting', type: 'nat', priority: srcnat, policy: 'accept' },
      rules: natRules,
    },
  ]
}

/**
 * Wrapped packets come from nodes, or nobody could be trusted to be the pod that the inner source says. Other programs' tunnels are
 * left alone: a WireGuard port is ours alone, of VXLAN it is our network identifier that counts, of IPIP and GRE that the packet within is from or for a pod.
 */
function tunnelEnds(rules: FilterRules): readonly NetfilterChain[] {
  const of = (kind: TunnelKind): readonly FamilyRow[] =>
    families.filter(({ version }) => rules.tunnels.some(tunnel => tunnel.kind === kind && tunnel.family === version))
  const dropped = (family: FamilyRow, matches: readonly Expression[]): NetfilterRule => ({
    comment: 'wrapped, and not from a node',
    expressions: [
      ...isFamily(family),
      ...address(family, 'source', 'nodes', true),
      ...matches,
      { do: 'counter' },
      { do: 'verdict', verdict: 'drop' },
    ],
  })
  const found = [
    ...of('vxlan').map(family => {
      const id = vxlanId(family.version)
      return dropped(family, [
        ...isProtocol(udp),
        ...transport(2, Uint8Array.of(vxlanPort >> 8, vxlanPort & 255)),
        ...transport(udpHeader + 4, Uint8Array.of(id >> 16, (id >> 8) & 255, id & 255)),
      ])
    }),
    ...of('wireguard').map(family => {
      const port = wireguardPort(family.version)
      return dropped(family, [...isProtocol(udp), ...transport(2, Uint8Array.of(port >> 8, port & 255))])
    }),
    ...of('ipip').flatMap(family => [
      dropped(family, holdsPod(family, family.source, ipInIp)),
      dropped(family, holdsPod(family, family.destination, ipInIp)),
    ]),
    ...of('gre').flatMap(family => [
      dropped(family, holdsPod(family, greHeader + family.source, greProtocol)),
      dropped(family, holdsPod(family, greHeader + family.destination, greProtocol)),
      // The kernel also takes a longer header, where the source is where the destination was.
      ...greLonger.map(longer =>
        dropped(family, [...longer, ...holdsPod(family, greHeader + 4 + family.destination, greProtocol)]),
      ),
    ]),
    ...overUdp.flatMap(({ kind, port, key }) =>
      of(kind).flatMap(family => [
        dropped(family, [
          ...address(family, 'destination', 'nodes'),
          ...isProtocol(udp),
          ...transport(2, Uint8Array.of(port >> 8, port & 255)),
        ]),
        // The device would take it without the UDP, too.
        dropped(family, [...transport(greHeader, bigEndian(key)), ...isProtocol(greProtocol)]),
      ]),
    ),
  ]
  if (found.length === 0) return []
  return [{ name: 'tunnel_ends', hook: { at: 'input', type: 'filter', priority: raw, policy: 'accept' }, rules: found }]
}

/** Whether what is at that place in a wrapped packet is an address of a pod. */
function holdsPod(family: FamilyRow, offset: number, protocol: number): readonly Expression[] {
  // In this order: nft 1.0.6 cannot print what follows a match on a protocol that it knows no header of.
  return [
    { do: 'payload', to: 1, base: 'transport', offset, length: family.length },
    { do: 'lookup', from: 1, set: `pools${family.version}` },
    ...isProtocol(protocol),
  ]
}

function bigEndian(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
}

function isOf(family: FamilyRow, prefix: string): boolean {
  return prefix.includes(':') === (family.version === 6)
}

function isFamily({ nfproto }: FamilyRow): readonly Expression[] {
  return [
    { do: 'meta', to: 1, key: 'nfproto' },
    { do: 'cmp', from: 1, is: 'eq', value: Uint8Array.of(nfproto) },
  ]
}

/** Names are compared as far as the value goes. */
function isPodDevice(key: 'iifname' | 'oifname'): readonly Expression[] {
  return [
    { do: 'meta', to: 1, key },
    { do: 'cmp', from: 1, is: 'eq', value: new TextEncoder().encode(hostDevicePrefix) },
  ]
}

function isProtocol(protocol: number): readonly Expression[] {
  return [
    { do: 'meta', to: 1, key: 'l4proto' },
    { do: 'cmp', from: 1, is: 'eq', value: Uint8Array.of(protocol) },
  ]
}

/** Whether the packet's source or destination is on the list; `not`: is not. */
function address(family: FamilyRow, which: 'source' | 'destination', list: string, not = false): readonly Expression[] {
  return [
    { do: 'payload', to: 1, base: 'network', offset: family[which], length: family.length },
    { do: 'lookup', from: 1, set: `${list}${family.version}`, ...(not && { not }) },
  ]
}

/** Whether these octets stand there, behind the IP header. */
function transport(offset: number, value: Uint8Array): readonly Expression[] {
  return [
    { do: 'payload', to: 1, base: 'transport', offset, length: value.length },
    { do: 'cmp', from: 1, is: 'eq', value },
  ]
}

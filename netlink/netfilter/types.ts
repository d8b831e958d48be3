// The words of nftables, read and written alike: what a dump returns can be given back to `replace`. Types only.
// Source: linux/netfilter/nf_tables.h. This is the part of it that a router of packets needs; what else a dump meets is `unknown`.

import type { Result } from '../types.ts'

/** NFPROTO_…: `inet` sees IPv4 and IPv6. */
export type NetfilterFamily = 'inet' | 'ip' | 'ip6' | 'arp' | 'bridge' | 'netdev'

export interface TableId {
  readonly family: NetfilterFamily
  readonly name: string
}

/** A table with all that is in it. Sets are sorted by name, as a dump is; chains and rules keep their order. */
export interface NetfilterTable extends TableId {
  /** Up to 127 octets, as `nft` shows it (NFTA_TABLE_USERDATA, Linux 5.10). */
  readonly comment?: string
  /** NFT_TABLE_F_DORMANT: it is there, and no packet meets it. */
  readonly dormant?: true
  readonly sets: readonly NetfilterSet[]
  readonly chains: readonly NetfilterChain[]
}

export interface NetfilterSet {
  readonly name: string
  /** Type of its keys. `device`: a name of 16 octets, filled up with zeros. */
  readonly key: 'ipv4' | 'ipv6' | 'device'
  /** NFT_SET_INTERVAL: an element reaches up to the next that is an `end`. */
  readonly interval: boolean
  /** Sorted by key, ends before starts. */
  readonly elements: readonly SetElement[]
}

export interface SetElement {
  readonly key: Uint8Array
  /** NFT_SET_ELEM_INTERVAL_END: the first key that is no longer in the interval. */
  readonly end?: true
}

export interface NetfilterChain {
  readonly name: string
  /** Absent: a chain that others jump to. */
  readonly hook?: Hook
  readonly rules: readonly NetfilterRule[]
}

/** Of the families inet, ip and ip6. */
export interface Hook {
  readonly at: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  readonly type: 'filter' | 'nat' | 'route'
  /** Lower is earlier: raw -300, mangle -150, dstnat -100, filter 0, srcnat 100. */
  readonly priority: number
  readonly policy: 'accept' | 'drop'
}

export interface NetfilterRule {
  /** Up to 127 octets, as `nft` shows it (NFTA_RULE_USERDATA). */
  readonly comment?: string
  readonly expressions: readonly Expression[]
}

/** A register: 1 to 4 of 16 octets each. */
export type Register = 1 | 2 | 3 | 4

/** One step of a rule; the steps hand values on in registers, and the first that does not match ends the rule. */
export type Expression =
  | {
      readonly do: 'payload'
      readonly to: Register
      readonly base: 'link' | 'network' | 'transport'
      readonly offset: number
      readonly length: number
    }
  | {
      readonly do: 'meta'
      readonly to: Register
      readonly key: 'protocol' | 'mark' | 'iif' | 'oif' | 'iifname' | 'oifname' | 'nfproto' | 'l4proto'
    }
  | { readonly do: 'ct'; readonly to: Register; readonly key: 'state' | 'direction' | 'status' | 'mark' }
  | {
      readonly do: 'cmp'
      readonly from: Register
      readonly is: 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte'
      readonly value: Uint8Array
    }
  /** Is the value in the set? `not`: is it outside? */
  | { readonly do: 'lookup'; readonly from: Register; readonly set: string; readonly not?: boolean }
  /** to = (from & mask) ^ xor */
  | {
      readonly do: 'bitwise'
      readonly from: Register
      readonly to: Register
      readonly length: number
      readonly mask: Uint8Array
      readonly xor: Uint8Array
    }
  | { readonly do: 'immediate'; readonly to: Register; readonly value: Uint8Array }
  | {
      readonly do: 'byteorder'
      readonly from: Register
      readonly to: Register
      readonly op: 'ntoh' | 'hton'
      readonly length: number
      readonly size: number
    }
  /** A route look-up. `flags`: NFTA_FIB_F_…: 1 source, 2 destination, 4 mark, 8 incoming device, 16 outgoing device, 32 only whether. */
  | {
      readonly do: 'fib'
      readonly to: Register
      readonly result: 'oif' | 'oifname' | 'addrtype'
      readonly flags: number
    }
  /** `tcpmss`: what the route's MTU leaves for a segment. */
  | { readonly do: 'rt'; readonly to: Register; readonly key: 'nexthop4' | 'nexthop6' | 'tcpmss' }
  /** Reads a TCP option or extension header into `to`, or writes it out of `from`; an MSS is only ever lowered. */
  | {
      readonly do: 'exthdr'
      readonly op: 'ipv6' | 'tcpopt'
      readonly type: number
      readonly offset: number
      readonly length: number
      readonly to?: Register
      readonly from?: Register
    }
  | { readonly do: 'masquerade' }
  /** What it has counted is not read: it is no part of the rule. */
  | { readonly do: 'counter' }
  | {
      readonly do: 'verdict'
      readonly verdict: 'accept' | 'drop' | 'continue' | 'return' | 'jump' | 'goto'
      /** Of jump and goto. */
      readonly chain?: string
    }
  /** What this library does not write. `octets`: NFTA_EXPR_DATA as it came. */
  | { readonly do: 'unknown'; readonly name: string; readonly octets: Uint8Array }

/** nftables in one namespace. Every call waits on the addon's own thread, never on the event loop. */
export interface Netfilter extends AsyncDisposable {
  /** All tables of all families, without what is in them. */
  tables(): Promise<readonly (TableId & Pick<NetfilterTable, 'comment' | 'dormant'>)[]>
  /** A table with everything in it; undefined if there is none. Anonymous sets are left out. */
  table(id: TableId): Promise<NetfilterTable | undefined>
  /** Chains of every table, without their rules. */
  chains(): Promise<readonly (TableId & { readonly chain: Omit<NetfilterChain, 'rules'> })[]>
  /** Puts the table in the place of any of its family and name, in one transaction: every packet meets the old one or the new one, whole. */
  replace(table: NetfilterTable): Promise<Result>
  /** ENOENT if there is none. */
  remove(id: TableId): Promise<Result>
  /** Hears that somebody, we too, has changed something. Resolves when the kernel has the subscription. Returns the unsubscribe. */
  watch(handler: () => void): Promise<() => Promise<void>>
  close(): Promise<void>
}

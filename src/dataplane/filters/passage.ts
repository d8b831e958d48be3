// What a chain of somebody else's does with a forwarded packet of a pod, as far as its rules can be read.
//
// A rule may ask for things that are not known of the packet (its port, its connection, a set). Such a rule is passed over: what is said
// here is what happens to every packet from or to the pods of a pool, whatever else is in it.

import type {
  Expression,
  NetfilterChain,
  NetfilterRule,
  NetfilterTable,
  Register,
} from '../../../netlink/netfilter/types.ts'
import { octetsOf, type Prefix } from '../../../inet/index.ts'
import { hostDevicePrefix } from '../endpoints/names.ts'

/** Any packet from (or to) a pod of a pool. */
export interface PodPacket {
  readonly direction: 'from' | 'to'
  readonly pool: Prefix
}

/** Whether a condition holds for every such packet, for none, or for some. */
type Holds = 'always' | 'never' | 'perhaps'

/** What a register holds, as far as it matters. */
type Loaded =
  | { readonly what: 'device'; readonly of: PodPacket['direction'] }
  | { readonly what: 'address'; readonly of: PodPacket['direction']; readonly at: number; readonly mask: Uint8Array }
  | { readonly what: 'family' }

type End = { readonly verdict: string; readonly chain?: string }

/** Jumps within jumps that are followed: the kernel allows 16 (NFT_JUMP_STACK_SIZE). */
const deepest = 16
/** NFPROTO_…, and where a header has its addresses (RFC 791 §3.1, RFC 8200 §3). */
const headers = {
  4: { nfproto: 2, from: 12, to: 16 },
  6: { nfproto: 10, from: 8, to: 24 },
} as const

/** The verdict of the chain's rules; undefined: they leave it to the policy. */
export function verdictOf(
  table: NetfilterTable,
  chain: NetfilterChain,
  packet: PodPacket,
  depth = 0,
): 'accept' | 'drop' | undefined {
  for (const rule of chain.rules) {
    const end = endOf(rule, packet)
    if (end?.verdict === 'accept' || end?.verdict === 'drop') return end.verdict
    if (end?.verdict === 'return') return undefined
    if (end?.verdict !== 'jump' && end?.verdict !== 'goto') continue
    const target = table.chains.find(each => each.name === end.chain)
    const found = target && depth < deepest ? verdictOf(table, target, packet, depth + 1) : undefined
    if (found || end.verdict === 'goto') return found
  }
  return undefined
}

/** Whether every such packet that comes to `chain` is handed on to the chain named `to`, by the first chain itself. */
export function leadsTo(chain: NetfilterChain, to: string, packet: PodPacket): boolean {
  for (const rule of chain.rules) {
    const end = endOf(rule, packet)
    if (end?.verdict === 'jump' && end.chain === to) return true
    if (end && end.verdict !== 'jump' && end.verdict !== 'continue') return false
  }
  return false
}

/** iptables keeps a comment in a match of its own, nft beside the rule. */
export function hasComment(rule: NetfilterRule, comment: string): boolean {
  return (
    rule.comment === comment ||
    rule.expressions.some(
      each => each.do === 'unknown' && isMatch(each, 'comment') && Buffer.from(each.octets).includes(`${comment}\0`),
    )
  )
}

/** What the rule does with every such packet; undefined: nothing, or nothing certain. */
function endOf(rule: NetfilterRule, packet: PodPacket): End | undefined {
  const registers = new Map<Register, Loaded>()
  for (const step of rule.expressions) {
    switch (step.do) {
      case 'payload':
      case 'meta':
        put(registers, step.to, loaded(step, packet))
        break
      case 'bitwise':
        put(registers, step.to, masked(step, registers.get(step.from)))
        break
      case 'cmp':
        if (compared(step, registers.get(step.from), packet) !== 'always') return undefined
        break
      case 'counter':
        break
      case 'verdict':
        return step
      case 'unknown':
        if (isRejection(step)) return { verdict: 'drop' }
        if (step.name !== 'log' && !isMatch(step, 'comment')) return undefined
        break
      case 'byteorder':
      case 'ct':
      case 'exthdr':
      case 'fib':
      case 'immediate':
      case 'lookup':
      case 'masquerade':
      case 'rt':
        return undefined
    }
  }
  return undefined
}

function put(registers: Map<Register, Loaded>, to: Register, value: Loaded | undefined): void {
  if (value) registers.set(to, value)
  else registers.delete(to)
}

function loaded(step: Extract<Expression, { do: 'payload' | 'meta' }>, { pool }: PodPacket): Loaded | undefined {
  if (step.do === 'meta') {
    if (step.key === 'iifname') return { what: 'device', of: 'from' }
    if (step.key === 'oifname') return { what: 'device', of: 'to' }
    return step.key === 'nfproto' ? { what: 'family' } : undefined
  }
  if (step.base !== 'network') return undefined
  for (const end of ['from', 'to'] as const) {
    const at = step.offset - headers[pool.family][end]
    if (at >= 0 && at + step.length <= octetsOf(pool.family))
      return { what: 'address', of: end, at, mask: new Uint8Array(step.length).fill(255) }
  }
  return undefined
}

function masked(step: Extract<Expression, { do: 'bitwise' }>, value: Loaded | undefined): Loaded | undefined {
  if (value?.what !== 'address' || step.xor.some(octet => octet !== 0)) return undefined
  return { ...value, mask: value.mask.map((octet, i) => octet & (step.mask[i] ?? 0)) }
}

function compared(
  { is, value: wanted }: Extract<Expression, { do: 'cmp' }>,
  value: Loaded | undefined,
  packet: PodPacket,
): Holds {
  if (!value || (is !== 'eq' && is !== 'neq')) return 'perhaps'
  const equal = equals(value, wanted, packet)
  if (is === 'eq' || equal === 'perhaps') return equal
  return equal === 'always' ? 'never' : 'always'
}

function equals(value: Loaded, wanted: Uint8Array, { direction, pool }: PodPacket): Holds {
  if (value.what === 'family') return wanted[0] === headers[pool.family].nfproto ? 'always' : 'never'
  if (value.of !== direction) return 'perhaps'
  if (value.what === 'device') {
    const known = new TextEncoder().encode(hostDevicePrefix)
    if (known.some((octet, i) => i < wanted.length && wanted[i] !== octet)) return 'never'
    return wanted.length <= known.length ? 'always' : 'perhaps'
  }
  let holds: Holds = 'always'
  for (const [i, mask] of value.mask.entries()) {
    const bitsKnown = Math.min(Math.max(pool.length - 8 * (value.at + i), 0), 8)
    const known = (0xff << (8 - bitsKnown)) & 0xff
    if ((pool.octets[value.at + i] ^ wanted[i]) & mask & known) return 'never'
    if (mask & ~known) holds = 'perhaps'
  }
  return holds
}

/** By the name that begins the data of the compat expressions (NFTA_MATCH_NAME, NFTA_TARGET_NAME). */
function isMatch(step: Extract<Expression, { do: 'unknown' }>, name: string): boolean {
  return step.name === 'match' && Buffer.from(step.octets).includes(`${name}\0`)
}

function isRejection(step: Extract<Expression, { do: 'unknown' }>): boolean {
  return step.name === 'reject' || (step.name === 'target' && Buffer.from(step.octets).includes('REJECT\0'))
}

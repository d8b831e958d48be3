// All that a run needs beforehand: the table, what each phase sends as octets, and what has to arrive.

import type { Phase, Shape } from '../scenarios/scenario.ts'
import { addressOf, device, octetsOf, peerStation } from './addresses.ts'
import { expectedAttributes, makeSets, type Sender, sentAttributes, type Surroundings } from './attributes.ts'
import { canonical, type Expected, GONE } from './check.ts'
import { announcements, withdrawals } from './messages.ts'
import { PrefixIndex } from './prefix-index.ts'
import { makeTable, type Slice, type Table } from './table.ts'

export interface Traffic {
  readonly expected: Expected
  /** What each peer has, by its number; undefined if it only receives. */
  readonly slices: readonly (Slice | undefined)[]
  readonly phases: readonly PhaseTraffic[]
}

export interface PhaseTraffic {
  readonly row: string | undefined
  /** By number of peer. */
  readonly sends: ReadonlyMap<number, Uint8Array>
  /** What a receiver has of each prefix afterwards, as `Checker` holds it. */
  readonly goal: Uint32Array
  /** Octets, by number of the peer that sends, that a receiver gets at least: nobody packs messages better. */
  readonly least: ReadonlyMap<number, number>
}

/** `asExpected`: the senders send what the device would make of it, for a run without one. */
export function makeTraffic(shape: Shape, asExpected: boolean): Traffic {
  const { family, kind, peers } = shape
  const around: Surroundings = {
    kind,
    family,
    device: { ...device, nextHop: octetsOf(addressOf(device, family)) },
  }
  const sending = peers.filter(({ prefixes }) => prefixes > 0)
  const table = makeTable(family, shape.hasSameTables ? sending.slice(0, 1) : sending)
  const left = shape.hasSameTables ? copies(table.slices[0], sending.length) : [...table.slices]
  const slices = peers.map(({ prefixes }) => (prefixes > 0 ? left.shift() : undefined))
  const senders = peers.map((_, n): Sender => {
    const station = peerStation(n, kind)
    return { ...station, nextHop: octetsOf(addressOf(station, family)) }
  })
  const sent: Uint8Array[] = []
  const due: Uint8Array[] = []
  const senderOf: Sender[] = []
  const sets = new Map<string, number>()
  for (const [n, slice] of slices.entries()) {
    if (!slice) continue
    for (const [i, set] of makeSets(slice, senders[n], kind, shape.hasSameTables ? 0 : slice.fromSet).entries()) {
      const expected = expectedAttributes(set, senders[n], around)
      due.push(expected)
      sent.push(asExpected ? expected : sentAttributes(set, senders[n], around))
      senderOf.push(senders[n])
      for (const each of [expected, expectedAttributes(set, senders[n], around, 0)])
        sets.set(canonical(Buffer.from(each), 0, each.length), slice.fromSet + i)
    }
  }
  const nextHop = (set: number): Uint8Array => (kind === 'reflector' ? senderOf[set].nextHop : around.device.nextHop)
  const setsOfSender = shape.hasPaths ? table.slices[0].toSet : undefined
  const expected: Expected = { table, index: new PrefixIndex(table), sets, known: new Map(), nextHop, setsOfSender }
  const sentHop = (n: number): Uint8Array => (asExpected ? around.device.nextHop : senders[n].nextHop)
  let goal: Uint32Array = new Uint32Array(table.length)
  const phases = shape.phases.map(phase => {
    const traffic = phaseTraffic(phase, { table, slices, goal, sent, due, nextHop: sentHop, setsOfSender })
    goal = traffic.goal
    return traffic
  })
  return { expected, slices, phases }
}

/** The same prefixes for each, and as many sets of its own. */
function copies({ from, to, toSet }: Slice, count: number): Slice[] {
  return Array.from({ length: count }, (_, n) => {
    const shift = n * toSet
    return { from, to, fromSet: shift, toSet: toSet + shift, shift }
  })
}

interface Sent {
  readonly table: Table
  readonly slices: Traffic['slices']
  /** Before the phase. */
  readonly goal: Uint32Array
  /** Attributes by set, as they are sent and as they arrive. */
  readonly sent: readonly Uint8Array[]
  readonly due: readonly Uint8Array[]
  readonly nextHop: (peer: number) => Uint8Array
  readonly setsOfSender: number | undefined
}

function phaseTraffic(
  { row, changes }: Phase,
  { table, slices, goal, sent, due, nextHop, setsOfSender }: Sent,
): PhaseTraffic {
  const after = goal.slice()
  const sends = new Map<number, Uint8Array>()
  const least = new Map<number, number>()
  for (const { peer, kind, ...range } of changes) {
    const start = slices[peer]?.from ?? 0
    const shift = slices[peer]?.shift ?? 0
    const [from, to] = [start + range.from, start + range.to]
    const encode = (attributes: readonly Uint8Array[]): Uint8Array =>
      kind === 'announce'
        ? announcements(table, from, to, set => attributes[set + shift], nextHop(peer))
        : withdrawals(table, from, to)
    const octets = encode(sent)
    const before = sends.get(peer)
    sends.set(peer, before ? Buffer.concat([before, octets]) : octets)
    least.set(peer, (least.get(peer) ?? 0) + encode(due).length)
    const path = setsOfSender === undefined ? 0 : 1 << (shift / setsOfSender)
    for (let i = from; i < to; i++) {
      if (path > 0) after[i] |= path
      else after[i] = kind === 'announce' ? table.sets[i] + shift + 1 : GONE
    }
  }
  return { row, sends, goal: after, least }
}

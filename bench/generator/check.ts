// Whether a receiver was sent each prefix with exactly the attributes that it has to have, and nothing else; and when the last came.

import { AttributeWalker, EXTENDED_LENGTH } from '../../bgp/wire/attribute.ts'
import { HEADER_LENGTH, messageLength, UPDATE } from '../../bgp/wire/header.ts'
import type { Inbox } from './inbox.ts'
import type { PrefixIndex } from './prefix-index.ts'
import { prefixText, type Slice, type Table } from './table.ts'

/** What all receivers of a run are compared with. */
export interface Expected {
  readonly table: Table
  readonly index: PrefixIndex
  /** Set by its attributes in the form of `canonical`, without MP_REACH_NLRI. */
  readonly sets: ReadonlyMap<string, number>
  /** Set by its attributes as they came, whoever they came to. */
  readonly known: Map<string, number>
  /** Sets of one sender, where all have the same prefixes and every path arrives: what is held of a prefix is a bit for each sender. */
  readonly setsOfSender?: number
  /** First 16 octets of the next hops that stand in MP_REACH_NLRI, by set. */
  readonly nextHop: (set: number) => Uint8Array
}

/** A prefix has set `n` as `n + 1`. */
export const GONE = 0

export class Checker {
  readonly #expected: Expected
  readonly #inbox: Inbox
  /** What the receiver sends itself need not come back, but may. */
  readonly #own: Slice | undefined
  /** What it has of each prefix now. */
  readonly #held: Uint32Array
  #goal: Uint32Array
  #missing = 0
  #checked = 0
  #piece = 0
  /** Milliseconds at which the goal was reached; undefined if it is not. */
  reached: number | undefined
  /** What must not be, the first few. */
  readonly faults: string[] = []
  readonly #walker = new AttributeWalker()

  constructor(expected: Expected, inbox: Inbox, own?: Slice) {
    this.#expected = expected
    this.#inbox = inbox
    this.#own = own
    this.#held = new Uint32Array(expected.table.length)
    this.#goal = this.#held
  }

  /** From now on the receiver shall come to have that of each prefix. Everything that came before has been read. */
  aim(goal: Uint32Array): void {
    this.#goal = goal
    this.#missing = 0
    for (let i = 0; i < goal.length; i++) if (this.#held[i] !== goal[i] && !this.#isOwn(i)) this.#missing++
    this.reached = this.#missing === 0 ? performance.now() : undefined
    this.#inbox.clear()
    this.#checked = this.#piece = 0
  }

  get missing(): number {
    return this.#missing
  }

  /** A prefix that is not as it shall be, in words. */
  example(): string {
    const { table } = this.#expected
    const i = this.#goal.findIndex((set, i) => this.#held[i] !== set && !this.#isOwn(i))
    if (i < 0) return ''
    return `${prefixText(table, i)} shall be ${nameOf(this.#goal[i])} and is ${nameOf(this.#held[i])}`
  }

  /** Reads what has come since it was last called. */
  read(): void {
    const { octets, framed, ends } = this.#inbox
    while (this.#checked < framed) {
      const at = this.#checked
      this.#checked += messageLength(octets, at)
      if (octets[at + 18] !== UPDATE) continue
      while (ends[this.#piece] < this.#checked) this.#piece++
      this.#update(at + HEADER_LENGTH, this.#checked)
    }
  }

  #update(from: number, to: number): void {
    const { octets } = this.#inbox
    const withdrawnTo = from + 2 + octets.readUInt16BE(from)
    const attributesFrom = withdrawnTo + 2
    const attributesTo = attributesFrom + octets.readUInt16BE(withdrawnTo)
    this.#nlri(from + 2, withdrawnTo, GONE)
    if (attributesTo === attributesFrom) return
    const walker = this.#walker.reset(octets, attributesFrom, attributesTo)
    let [reachFrom, reachTo] = [0, 0]
    while (walker.next()) {
      if (walker.code === 14) [reachFrom, reachTo] = [walker.from, walker.to]
      if (walker.code === 15) this.#nlri(walker.from + 3, walker.to, GONE)
    }
    if (attributesTo === to && reachTo === 0) return
    const set = this.#setOf(attributesFrom, attributesTo)
    if (set === undefined) {
      this.#fault(`these attributes were never sent: ${octets.toString('hex', attributesFrom, attributesTo)}`)
      return
    }
    this.#nlri(attributesTo, to, set + 1)
    if (reachTo === 0) return
    const hop = octets.subarray(reachFrom + 4, reachFrom + 20)
    if (!hop.equals(this.#expected.nextHop(set))) this.#fault(`wrong next hop: ${hop.toString('hex')}`)
    this.#nlri(reachFrom + 5 + octets[reachFrom + 3], reachTo, set + 1)
  }

  #setOf(from: number, to: number): number | undefined {
    const { octets } = this.#inbox
    // With MP_REACH_NLRI no two are alike.
    if (this.#expected.table.family === 'ipv6-unicast') return this.#expected.sets.get(canonical(octets, from, to))
    const asCame = octets.toString('latin1', from, to)
    const known = this.#expected.known.get(asCame)
    if (known !== undefined) return known
    const set = this.#expected.sets.get(canonical(octets, from, to))
    if (set !== undefined) this.#expected.known.set(asCame, set)
    return set
  }

  #nlri(from: number, to: number, set: number): void {
    const { octets } = this.#inbox
    const { setsOfSender } = this.#expected
    for (let at = from; at < to;) {
      if (setsOfSender !== undefined) at += 4 // the path identifier
      const length = octets[at++]
      const end = at + ((length + 7) >>> 3)
      let [high, low] = [0, 0]
      for (let n = 0; at < end; n++, at++) {
        if (n < 4) high |= octets[at] << (24 - 8 * n)
        else if (n < 8) low |= octets[at] << (56 - 8 * n)
      }
      const i = this.#expected.index.find(high >>> 0, low >>> 0, length)
      if (i < 0) this.#fault(`a prefix that nobody sent, of length ${length}`)
      else this.#hold(i, set)
    }
  }

  #hold(i: number, given: number): void {
    const { table, setsOfSender } = this.#expected
    let set = given
    if (setsOfSender !== undefined) {
      const own = (given - 1) % setsOfSender
      if (given === GONE || own !== table.sets[i])
        return this.#fault(`${prefixText(table, i)} came with the attributes of another`)
      set = this.#held[i] | (1 << Math.floor((given - 1) / setsOfSender))
    } else if (set !== GONE && set - 1 !== table.sets[i]) {
      this.#fault(`${prefixText(table, i)} came with the attributes of another`)
    }
    if (this.#isOwn(i)) return
    const goal = this.#goal[i]
    const was = this.#held[i]
    this.#held[i] = set
    if (was === goal && set !== goal) this.#missing++
    else if (was !== goal && set === goal) this.#missing--
    this.reached = this.#missing === 0 ? (this.reached ?? this.#inbox.times[this.#piece]) : undefined
  }

  #isOwn(i: number): boolean {
    return this.#own !== undefined && i >= this.#own.from && i < this.#own.to
  }

  #fault(words: string): void {
    if (this.faults.length < 3) this.faults.push(words)
  }
}

const nameOf = (held: number): string => (held === GONE ? 'absent' : `there with set ${held - 1}`)

const walker = new AttributeWalker()

/**
 * Attributes in the order of their codes, each with its flags but for the form of its length, so that equal ones are equal text
 * whoever wrote them. MP_REACH_NLRI and MP_UNREACH_NLRI are left out.
 */
export function canonical(octets: Buffer, from: number, to: number): string {
  const parts: { readonly code: number; readonly text: string }[] = []
  for (walker.reset(octets, from, to); walker.next();) {
    const { code, flags } = walker
    if (code === 14 || code === 15) continue
    const head = String.fromCharCode(code, flags & ~EXTENDED_LENGTH)
    parts.push({ code, text: `${head}${octets.toString('latin1', walker.from, walker.to)}` })
  }
  const isSorted = parts.every(({ code }, i) => i === 0 || parts[i - 1].code < code)
  const sorted = isSorted ? parts : parts.toSorted((a, b) => a.code - b.code)
  return sorted.map(({ text }) => `${text.length}:${text}`).join('')
}

// AS-path patterns: a small regular language over AS numbers, compiled once and run without backtracking.
//
//     65001            this AS                        65001 .*          learned from AS 65001
//     64512..65534     an AS in this range            .* 65001          originated by AS 65001
//     .                any AS                         .* 65001 .*       AS 65001 is somewhere in the path
//     A B              A, then B                      (64512..65534)+   private AS numbers only
//     A | B            A or B                         65001{1,3}        AS 65001 once to three times
//     ( … )            a group                        (nothing)         an empty path
//     A*  A+  A?  A{n}  A{n,m}  A{n,}                 repeated
//
// A pattern means the whole path. An AS_SET counts as one AS, which is any of its members; segments of our own
// confederation are passed over.

import { AS_SEQUENCE, AS_SET, asPathContains, uint32 } from '../wire/attributes.ts'

/** A path of a pattern may be any length, a pattern not: its program ends at so many steps. */
const LONGEST = 1000

type Node =
  | { readonly kind: 'range'; readonly low: number; readonly high: number }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly min: number; readonly max: number }

/** One step of a program: take an AS from `low` to `high` and go on at the next step, or be at `to` and `or` at once. */
type Step =
  | { readonly kind: 'range'; readonly low: number; readonly high: number }
  | { readonly kind: 'split'; to: number; or: number }
  | { readonly kind: 'end' }

export class AsPathPattern {
  readonly #program: readonly Step[]
  /** Steps at which the run stands, and in which round each was last entered. */
  #now: number[] = []
  #next: number[] = []
  readonly #entered: Uint32Array
  #round = 0
  /** ASes without which no path is meant: most paths need no run. */
  readonly #needed: readonly number[]

  private constructor(program: readonly Step[], needed: readonly number[]) {
    this.#program = program
    this.#needed = needed
    this.#entered = new Uint32Array(program.length)
  }

  /** The pattern, or what is wrong with the text. */
  static parse(text: string): AsPathPattern | { readonly error: string } {
    try {
      const program: Step[] = []
      const whole = new Parser(text).whole()
      emit(whole, program)
      program.push({ kind: 'end' })
      return new AsPathPattern(program, [...new Set(neededBy(whole))])
    } catch (error) {
      if (error instanceof PatternError) return { error: error.message }
      throw error
    }
  }

  /** Whether the path `octets[from, to)`, in 4-octet form, is one that the pattern means. */
  matches(octets: Uint8Array, from: number, to: number): boolean {
    for (const asn of this.#needed) if (!asPathContains(octets, from, to, asn)) return false
    this.#now.length = 0
    this.#begin()
    this.#enter(0, this.#now)
    for (let at = from; at < to && this.#now.length > 0;) {
      const isSet = octets[at] === AS_SET
      const end = at + 2 + octets[at + 1] * 4
      if (isSet) this.#take(octets, at + 2, end)
      else if (octets[at] === AS_SEQUENCE) for (let one = at + 2; one < end; one += 4) this.#take(octets, one, one + 4)
      at = end
    }
    const last = this.#program.length - 1
    return this.#now.includes(last)
  }

  /** Goes over one AS of the path, or one set of them. */
  #take(octets: Uint8Array, from: number, to: number): void {
    this.#begin()
    const next = this.#next
    next.length = 0
    for (const at of this.#now) {
      const step = this.#program[at]
      if (step.kind !== 'range') continue
      for (let one = from; one < to; one += 4) {
        const asn = uint32(octets, one)
        if (asn < step.low || asn > step.high) continue
        this.#enter(at + 1, next)
        break
      }
    }
    this.#next = this.#now
    this.#now = next
  }

  #begin(): void {
    if (++this.#round <= 0xffffffff) return
    this.#entered.fill(0)
    this.#round = 1
  }

  #enter(at: number, list: number[]): void {
    if (this.#entered[at] === this.#round) return
    this.#entered[at] = this.#round
    const step = this.#program[at]
    if (step.kind !== 'split') {
      list.push(at)
      return
    }
    this.#enter(step.to, list)
    this.#enter(step.or, list)
  }
}

class PatternError extends Error {}

class Parser {
  readonly #text: string
  readonly #tokens: readonly { readonly text: string; readonly at: number }[]
  #next = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = Array.from(text.matchAll(/\d+|\.\.|[^\s]/g), match => ({ text: match[0], at: match.index }))
  }

  whole(): Node {
    const node = this.#choice()
    if (this.#peek !== undefined) throw this.#wrong()
    return node
  }

  #choice(): Node {
    const parts = [this.#sequence()]
    while (this.#took('|')) parts.push(this.#sequence())
    return parts.length === 1 ? parts[0] : { kind: 'choice', parts }
  }

  #sequence(): Node {
    const parts: Node[] = []
    while (this.#peek !== undefined && this.#peek !== '|' && this.#peek !== ')') parts.push(this.#repeated())
    return { kind: 'sequence', parts }
  }

  #repeated(): Node {
    let part = this.#atom()
    for (;;) {
      if (this.#took('*')) part = { kind: 'repeat', part, min: 0, max: Infinity }
      else if (this.#took('+')) part = { kind: 'repeat', part, min: 1, max: Infinity }
      else if (this.#took('?')) part = { kind: 'repeat', part, min: 0, max: 1 }
      else if (this.#took('{')) part = this.#counted(part)
      else return part
    }
  }

  #counted(part: Node): Node {
    const min = this.#number(LONGEST)
    const comma = this.#took(',')
    const max = !comma ? min : this.#peek === '}' ? Infinity : this.#number(LONGEST)
    if (!this.#took('}')) throw this.#wrong()
    if (max < min) throw new PatternError(`{${min},${max}} ends before it begins`)
    return { kind: 'repeat', part, min, max }
  }

  #atom(): Node {
    if (this.#took('.')) return { kind: 'range', low: 0, high: 0xffffffff }
    if (this.#took('(')) {
      if (++this.#depth > 50) throw new PatternError('its groups are nested more than 50 deep')
      const inner = this.#choice()
      if (!this.#took(')')) throw this.#wrong()
      this.#depth--
      return inner
    }
    const low = this.#number(0xffffffff)
    const high = this.#took('..') ? this.#number(0xffffffff) : low
    if (high < low) throw new PatternError(`the range ${low}..${high} ends before it begins`)
    return { kind: 'range', low, high }
  }

  #number(most: number): number {
    const text = this.#peek
    if (text === undefined || !/^\d+$/.test(text) || Number(text) > most) throw this.#wrong()
    this.#next++
    return Number(text)
  }

  get #peek(): string | undefined {
    return this.#tokens[this.#next]?.text
  }

  #took(text: string): boolean {
    if (this.#peek !== text) return false
    this.#next++
    return true
  }

  #wrong(): PatternError {
    const token = this.#tokens[this.#next]
    if (!token) return new PatternError('it ends too early')
    return new PatternError(`"${token.text}" at character ${token.at + 1} of "${this.#text}" is not understood`)
  }
}

/** ASes that each path of the node has. */
function neededBy(node: Node): readonly number[] {
  switch (node.kind) {
    case 'range':
      return node.low === node.high ? [node.low] : []
    case 'sequence':
      return node.parts.flatMap(neededBy)
    case 'choice':
      return []
    case 'repeat':
      return node.min > 0 ? neededBy(node.part) : []
  }
}

function emit(node: Node, program: Step[]): void {
  if (program.length > LONGEST) throw new PatternError(`it repeats so much that it takes more than ${LONGEST} steps`)
  switch (node.kind) {
    case 'range':
      program.push(node)
      break
    case 'sequence':
      for (const part of node.parts) emit(part, program)
      break
    case 'choice':
      emitChoice(node.parts, program)
      break
    case 'repeat':
      emitRepeat(node, program)
      break
  }
}

function emitChoice(parts: readonly Node[], program: Step[]): void {
  const ends: Extract<Step, { kind: 'split' }>[] = []
  for (const [i, part] of parts.entries()) {
    const split = i < parts.length - 1 ? fork(program) : undefined
    emit(part, program)
    if (!split) break
    ends.push(fork(program))
    split.or = program.length
  }
  for (const end of ends) end.to = end.or = program.length
}

function emitRepeat({ part, min, max }: Extract<Node, { kind: 'repeat' }>, program: Step[]): void {
  for (let i = 0; i < min; i++) emit(part, program)
  if (max === Infinity) {
    const start = program.length
    const loop = fork(program)
    emit(part, program)
    const back = fork(program)
    back.to = back.or = start
    loop.or = program.length
    return
  }
  const exits: Extract<Step, { kind: 'split' }>[] = []
  for (let i = min; i < max; i++) {
    exits.push(fork(program))
    emit(part, program)
  }
  for (const exit of exits) exit.or = program.length
}

/** A split that goes on right behind itself, and to wherever the caller sets `or`. */
function fork(program: Step[]): Extract<Step, { kind: 'split' }> {
  const split = { kind: 'split', to: program.length + 1, or: program.length + 1 } as const
  const step: Extract<Step, { kind: 'split' }> = { ...split }
  program.push(step)
  return step
}

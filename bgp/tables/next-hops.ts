// Next hops: one small entry per distinct one, with what the outside told of its reachability.
//
// An entry lives while an attribute set refers to it. What was told of an address (`setNextHops`) outlives it, so that
// a next hop that comes back is judged at once. The empty next hop stands for "our own address on each session".
//
// A link-local address means something on its link only. The number of the link stands in its third and fourth octet, which
// RFC 4291 §2.5.6 has as zero: so equal addresses on two links are two next hops. What goes out to a peer has none.
//
// In a mesh of blocks every node is a next hop, and a simulation has thousands of speakers: so an entry is a place in columns, and
// its text is made when somebody asks.

import { formatAddress, parseAddress } from '../../inet/index.ts'
import type { NextHopState } from '../types.ts'
import { column, type Octets, resized, roundUp, type Words } from './columns.ts'

/** What was told of an address, if it is more than the default. */
interface Told {
  readonly reachable: boolean
  readonly metric: number
}

/** As long as nobody tells more: reached, for nothing. */
const DEFAULT: Told = { reachable: true, metric: 0 }

/** Octets of the longest next hop: a global and a link-local address. */
const LONGEST = 32

// What `flags` says of an entry.
const UNREACHABLE = 1
/** Changed since the paths were last asked to look. */
const TOUCHED = 2

/** Entries that there is room for at first: most routers are told of a few. */
const FEW = 16

/** Texts that are kept, those of next hops asked for last. */
const TEXTS = 64

export class NextHops {
  /** Octets of the family's own addresses. */
  readonly size: 4 | 16
  /** Next hops in use that are longer than that (RFC 8950). */
  foreign = 0
  /** Names of links by number; 0 = not known. */
  readonly #zones: string[] = ['']
  /** Octets from one entry to the next. */
  #stride: number
  #octets: Octets
  /** Octets of the next hop. */
  #length: Octets
  #flags: Octets
  #metric: Words
  /** 0: the entry is free. */
  #references: Words
  #capacity = FEW
  #end = 1
  readonly #free: number[] = []
  readonly #ids = new Map<number | string, number>()
  /** Those of two addresses. */
  readonly #pairs = new Set<number>()
  readonly #told = new Map<string, Told>()
  readonly #touched: number[] = []
  readonly #texts: (string | undefined)[] = Array.from({ length: TEXTS }, () => undefined)
  /** By place: whose text is kept there; 0: nobody's. */
  readonly #textIds = new Uint32Array(TEXTS)
  #last = 0

  constructor(size: 4 | 16 = 4) {
    this.size = size
    this.#stride = size === 4 ? 4 : LONGEST
    this.#octets = column(Uint8Array, FEW * this.#stride, 0)
    this.#length = column(Uint8Array, FEW, 0)
    this.#flags = column(Uint8Array, FEW, 0)
    this.#metric = column(Uint32Array, FEW, 0)
    this.#references = column(Uint32Array, FEW, 0)
  }

  /** The number of a link; the empty name is that of none. */
  zone(name: string): number {
    const known = this.#zones.indexOf(name)
    if (known >= 0) return known
    return this.#zones.length > 0xffff ? 0 : this.#zones.push(name) - 1
  }

  /** The id of a next hop of 0, 4, 16 or 32 octets, with a reference; the octets are copied. */
  obtain(octets: Uint8Array): number {
    const id = this.#is(this.#last, octets) ? this.#last : (this.#ids.get(keyOf(octets)) ?? this.#add(octets))
    this.#references[id]++
    this.#last = id
    return id
  }

  release(id: number): void {
    if (this.#references[id] === 0 || --this.#references[id] > 0) return
    const octets = this.octets(id)
    this.#ids.delete(keyOf(octets))
    this.#pairs.delete(id)
    if (this.#isForeign(octets)) this.foreign--
    this.#flags[id] &= ~TOUCHED
    if (this.#textIds[id % TEXTS] === id) this.#textIds[id % TEXTS] = 0
    if (this.#last === id) this.#last = 0
    this.#free.push(id)
  }

  octets(id: number): Uint8Array {
    const from = id * this.#stride
    return this.#octets.subarray(from, from + this.#length[id])
  }

  /** The address by which it is shown and told of; empty for "our own". */
  text(id: number): string {
    const place = id % TEXTS
    const kept = this.#textIds[place] === id ? this.#texts[place] : undefined
    if (kept !== undefined) return kept
    const text = this.textOf(this.octets(id))
    this.#texts[place] = text
    this.#textIds[place] = id
    return text
  }

  reachable(id: number): boolean {
    return (this.#flags[id] & UNREACHABLE) === 0
  }

  metric(id: number): number {
    return this.#metric[id]
  }

  touched(id: number): boolean {
    return (this.#flags[id] & TOUCHED) !== 0
  }

  /** Takes over what the outside says. True if something changed that a path may depend on. */
  tell(changes: Iterable<NextHopState>): boolean {
    let changed = false
    for (const { address, reachable, metric } of changes) {
      const [bare, zone = ''] = address.split('%')
      const parsed = parseAddress(bare)
      if (!parsed) continue
      const text = `${formatAddress(parsed)}${zone && `%${zone}`}`
      const before = this.#told.get(text) ?? DEFAULT
      if (before.reachable === reachable && before.metric === metric) continue
      if (reachable && metric === 0) this.#told.delete(text)
      else this.#told.set(text, { reachable, metric })
      for (const id of this.#idsOf(parsed.octets, text)) {
        changed = true
        this.#describe(id, { reachable, metric })
        if (this.#flags[id] & TOUCHED) continue
        this.#flags[id] |= TOUCHED
        this.#touched.push(id)
      }
    }
    return changed
  }

  /** Every path has looked. */
  clearTouched(): void {
    for (const id of this.#touched.splice(0)) this.#flags[id] &= ~TOUCHED
  }

  /** A next hop as text, with the link of a link-local address. */
  textOf(octets: Uint8Array): string {
    if (octets.length === 0) return ''
    const address = addressOf(octets)
    if (!isLinkLocal(address)) return formatAddress(address)
    const zone = this.#zones[(address[2] << 8) | address[3]]
    return formatAddress(withZone(address.slice(), 0)) + (zone ? `%${zone}` : '')
  }

  /** The entries that are shown by that address: alone, or beside another one. */
  *#idsOf(address: Uint8Array, text: string): Generator<number> {
    const [, zone = ''] = text.split('%')
    const alone = this.#ids.get(keyOf(withZone(address.slice(), Math.max(0, this.#zones.indexOf(zone)))))
    if (alone !== undefined && this.text(alone) === text) yield alone
    for (const id of this.#pairs) if (this.text(id) === text) yield id
  }

  #isForeign({ length }: Uint8Array): boolean {
    return this.size === 4 && length > 4
  }

  #is(id: number, octets: Uint8Array): boolean {
    const { length } = octets
    if (id === 0 || this.#length[id] !== length) return false
    for (let i = 0, at = id * this.#stride; i < length; i++, at++) if (this.#octets[at] !== octets[i]) return false
    return true
  }

  #add(octets: Uint8Array): number {
    if (octets.length > this.#stride) this.#widen()
    const id = this.#free.pop() ?? this.#take()
    this.#octets.set(octets, id * this.#stride)
    this.#length[id] = octets.length
    this.#ids.set(keyOf(octets), id)
    if (octets.length === LONGEST) this.#pairs.add(id)
    if (this.#isForeign(octets)) this.foreign++
    this.#describe(id, this.#told.size > 0 ? (this.#told.get(this.text(id)) ?? DEFAULT) : DEFAULT)
    return id
  }

  #describe(id: number, { reachable, metric }: Told): void {
    if (reachable) this.#flags[id] &= ~UNREACHABLE
    else this.#flags[id] |= UNREACHABLE
    this.#metric[id] = metric
  }

  #take(): number {
    const id = this.#end++
    if (id < this.#capacity) return id
    const entries = roundUp(id + 1)
    this.#octets = resized(this.#octets, entries * this.#stride)
    this.#length = resized(this.#length, entries)
    this.#flags = resized(this.#flags, entries)
    this.#metric = resized(this.#metric, entries)
    this.#references = resized(this.#references, entries)
    this.#capacity = entries
    return id
  }

  /** The first one that is longer than the family's own addresses. */
  #widen(): void {
    const [octets, stride] = [this.#octets, this.#stride]
    this.#stride = LONGEST
    this.#octets = column(Uint8Array, this.#capacity * LONGEST, 0)
    for (let id = 1; id < this.#end; id++) {
      this.#octets.set(octets.subarray(id * stride, id * stride + this.#length[id]), id * LONGEST)
    }
  }
}

/** What finds an entry by its octets: numbers for IPv4 addresses, they cost nothing. */
function keyOf(octets: Uint8Array): number | string {
  if (octets.length !== 4) return String.fromCharCode(...octets)
  return (octets[0] << 24) | (octets[1] << 16) | (octets[2] << 8) | octets[3]
}

/** The address of a next hop: of global and link-local (RFC 2545 §3) the global one, unless it is none. */
export function addressOf(octets: Uint8Array): Uint8Array {
  if (octets.length !== 32) return octets
  const global = octets.subarray(0, 16)
  const none = global.every(octet => octet === 0) || isLinkLocal(global)
  return none ? octets.subarray(16) : global
}

export function isLinkLocal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] === 0xfe && (address[1] & 0xc0) === 0x80
}

/** Writes the number of the link into each link-local address of a next hop, whatever stood there; returns the next hop. */
export function withZone(octets: Uint8Array, zone: number): Uint8Array {
  for (let at = 0; at + 16 <= octets.length; at += 16) {
    if (octets[at] !== 0xfe || (octets[at + 1] & 0xc0) !== 0x80) continue
    octets[at + 2] = zone >> 8
    octets[at + 3] = zone
  }
  return octets
}

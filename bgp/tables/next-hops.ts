// Next hops: one small entry per distinct one, with what the outside told of its reachability.
//
// An entry lives while an attribute set refers to it. What was told of an address (`setNextHops`) outlives it, so that
// a next hop that comes back is judged at once. The empty next hop stands for "our own address on each session".
//
// A link-local address means something on its link only. The number of the link stands in its third and fourth octet, which
// RFC 4291 §2.5.6 has as zero: so equal addresses on two links are two next hops. What goes out to a peer has none.

import { formatAddress, parseAddress } from '../../inet/index.ts'
import type { NextHopState } from '../types.ts'

interface Entry {
  readonly octets: Uint8Array
  readonly state: State
  readonly key: string
  references: number
}

/** What is known of one address, shared by the 16- and 32-octet forms of an IPv6 next hop. */
interface State {
  readonly text: string
  reachable: boolean
  metric: number
  /** Changed since the paths were last asked to look. */
  touched: boolean
  users: number
}

export class NextHops {
  /** Octets of the family's own addresses. */
  readonly size: 4 | 16
  /** Next hops in use that are longer than that (RFC 8950). */
  foreign = 0
  /** Names of links by number; 0 = not known. */
  readonly #zones: string[] = ['']
  readonly #entries: (Entry | undefined)[] = [undefined]
  readonly #free: number[] = []
  readonly #ids = new Map<string, number>()
  readonly #states = new Map<string, State>()
  readonly #touched: State[] = []
  #last = 0

  constructor(size: 4 | 16 = 4) {
    this.size = size
  }

  /** The number of a link; the empty name is that of none. */
  zone(name: string): number {
    const known = this.#zones.indexOf(name)
    if (known >= 0) return known
    return this.#zones.length > 0xffff ? 0 : this.#zones.push(name) - 1
  }

  /** The id of a next hop of 0, 4, 16 or 32 octets, with a reference; the octets are copied. */
  obtain(octets: Uint8Array): number {
    const last = this.#entries[this.#last]
    const known = last && same(last.octets, octets) ? this.#last : this.#ids.get(String.fromCharCode(...octets))
    const id = known ?? this.#add(octets)
    const entry = this.#entries[id]
    if (entry) entry.references++
    this.#last = id
    return id
  }

  release(id: number): void {
    const entry = this.#entries[id]
    if (!entry || --entry.references > 0) return
    this.#entries[id] = undefined
    this.#ids.delete(entry.key)
    this.#free.push(id)
    if (this.#isForeign(entry.octets)) this.foreign--
    entry.state.users--
    this.#forget(entry.state)
  }

  octets(id: number): Uint8Array {
    return this.#entry(id).octets
  }

  /** The address by which it is shown and told of; empty for "our own". */
  text(id: number): string {
    return this.#entry(id).state.text
  }

  reachable(id: number): boolean {
    return this.#entry(id).state.reachable
  }

  metric(id: number): number {
    return this.#entry(id).state.metric
  }

  touched(id: number): boolean {
    return this.#entry(id).state.touched
  }

  /** Takes over what the outside says. True if something changed that a path may depend on. */
  tell(changes: Iterable<NextHopState>): boolean {
    let changed = false
    for (const { address, reachable, metric } of changes) {
      const [bare, zone] = address.split('%')
      const parsed = parseAddress(bare)
      if (!parsed) continue
      const state = this.#state(`${formatAddress(parsed)}${zone === undefined ? '' : `%${zone}`}`)
      if (state.reachable === reachable && state.metric === metric) {
        this.#forget(state)
        continue
      }
      state.reachable = reachable
      state.metric = metric
      if (state.users > 0 && !state.touched) {
        state.touched = true
        this.#touched.push(state)
      }
      changed ||= state.users > 0
      this.#forget(state)
    }
    return changed
  }

  /** Every path has looked. */
  clearTouched(): void {
    for (const state of this.#touched.splice(0)) state.touched = false
  }

  /** A next hop as text, with the link of a link-local address. */
  textOf(octets: Uint8Array): string {
    if (octets.length === 0) return ''
    const address = addressOf(octets)
    if (!isLinkLocal(address)) return formatAddress(address)
    const zone = this.#zones[(address[2] << 8) | address[3]]
    return formatAddress(withZone(address.slice(), 0)) + (zone ? `%${zone}` : '')
  }

  #isForeign({ length }: Uint8Array): boolean {
    return this.size === 4 && length > 4
  }

  #entry(id: number): Entry {
    const entry = this.#entries[id]
    if (!entry) throw new RangeError(`next hop ${id} is not in use`)
    return entry
  }

  #add(octets: Uint8Array): number {
    const id = this.#free.pop() ?? this.#entries.length
    const copy = Uint8Array.from(octets)
    const key = String.fromCharCode(...copy)
    const state = this.#state(this.textOf(copy))
    if (this.#isForeign(copy)) this.foreign++
    state.users++
    this.#entries[id] = { octets: copy, state, key, references: 0 }
    this.#ids.set(key, id)
    return id
  }

  #state(text: string): State {
    let state = this.#states.get(text)
    if (!state) {
      state = { text, reachable: true, metric: 0, touched: false, users: 0 }
      this.#states.set(text, state)
    }
    return state
  }

  /** Drops what nobody uses and what says no more than the default. */
  #forget(state: State): void {
    if (state.users === 0 && state.reachable && state.metric === 0) this.#states.delete(state.text)
  }
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

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

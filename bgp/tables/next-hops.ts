// Next hops: one small entry per distinct one, with what the outside told of its reachability.
//
// An entry lives while an attribute set refers to it. What was told of an address (`setNextHops`) outlives it, so that
// a next hop that comes back is judged at once. The empty next hop stands for "our own address on each session".

import { formatAddress, isLinkLocal, parseAddress } from '../../inet/index.ts'
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
  readonly #entries: (Entry | undefined)[] = [undefined]
  readonly #free: number[] = []
  readonly #ids = new Map<string, number>()
  readonly #states = new Map<string, State>()
  readonly #touched: State[] = []
  #last = 0

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
      const parsed = parseAddress(address)
      if (!parsed) continue
      const state = this.#state(formatAddress(parsed))
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

  #entry(id: number): Entry {
    const entry = this.#entries[id]
    if (!entry) throw new RangeError(`next hop ${id} is not in use`)
    return entry
  }

  #add(octets: Uint8Array): number {
    const id = this.#free.pop() ?? this.#entries.length
    const copy = Uint8Array.from(octets)
    const key = String.fromCharCode(...copy)
    const state = this.#state(textOf(copy))
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
  const none = global.every(octet => octet === 0) || isLinkLocal({ family: 6, octets: global })
  return none ? octets.subarray(16) : global
}

function textOf(octets: Uint8Array): string {
  return octets.length === 0 ? '' : formatAddress(addressOf(octets))
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

// Capabilities that a peer refuses are left out of the next OPEN (RFC 5492 §3, §5), remembered, and tried again later.
//
// A peer says so by a NOTIFICATION: Unsupported Optional Parameter means none at all, Unsupported Capability names those in
// question. An old one just closes at every OPEN; then every other attempt goes with less, as nothing proves the reason: a
// peer that rests, or is not configured yet, closes too. One whose OPEN has capabilities knows what they are: it is not
// guessed about any more, and an attempt that went with less by a guess is made once more with all.

import { type Capability, capabilityTypes, type CapabilityKind } from '../wire/capabilities.ts'
import type { Notification } from '../wire/notification.ts'

/** Milliseconds after which what was refused is offered again, at the next OPEN. */
export const OFFER_AGAIN = 3_600_000
/** Connections that end at OPEN one after the other before it is tried with less. */
export const PATIENCE = 4

/** Understood for so long that no peer is known to refuse them alone; and the one without which IPv4 would stay away from IPv6. */
const essential: readonly CapabilityKind[] = ['multiprotocol', 'routeRefresh', 'fourOctetAs', 'extendedNextHop']
/** Without it there are only IPv4 routes. */
const families: CapabilityKind = 'multiprotocol'

const kinds = Object.keys(capabilityTypes) as CapabilityKind[]
const extras = kinds.filter(kind => !essential.includes(kind))

export class Withheld {
  #refused = new Set<CapabilityKind>()
  #since = 0
  #closed = 0
  /** An OPEN of the peer had capabilities. */
  #understands = false

  /** What to leave out of an OPEN now. `needsFamilies`: a session without multiprotocol would carry nothing. */
  now(time: number, needsFamilies: boolean): readonly CapabilityKind[] {
    if (this.#refused.size > 0 && time - this.#since >= OFFER_AGAIN) this.clear()
    const attempt = this.#closed - PATIENCE
    const guess =
      this.#understands || attempt < 0 || attempt % 2 === 1 ? [] : attempt % 4 === 0 || needsFamilies ? extras : kinds
    return kinds.filter(kind => this.#refused.has(kind) || guess.includes(kind))
  }

  /** The peer answered an OPEN, which had everything but `leftOut`, by a NOTIFICATION. True if the next will have less. */
  refused({ code, subcode, data }: Notification, leftOut: readonly CapabilityKind[], time: number): boolean {
    if (code !== 2 || (subcode !== 4 && subcode !== 7)) return false
    const before = new Set([...this.#refused, ...leftOut])
    const more = (subcode === 4 ? kinds : named(data, before)).filter(kind => !before.has(kind))
    if (more.length === 0) return false
    this.#refused = new Set([...before, ...more])
    this.#since = time
    return true
  }

  /** The peer closed the connection where its OPEN should have come. */
  closed(): void {
    this.#closed++
  }

  /** Its OPEN came, an answer to ours without `leftOut`. True if ours lacked something only because of a wrong guess. */
  heard(capabilities: readonly Capability[], leftOut: readonly CapabilityKind[]): boolean {
    this.#closed = 0
    const guessed = !this.#understands && leftOut.some(kind => !this.#refused.has(kind))
    this.#understands ||= capabilities.length > 0
    return guessed && this.#understands
  }

  clear(): void {
    this.#refused.clear()
    this.#closed = 0
  }
}

/**
 * Those that Unsupported Capability is about. It may also name what the peer demands of us, which is no reason to leave
 * anything out; families are always such. If it names none, everything newer goes first, then the rest.
 */
function named(data: Uint8Array, before: ReadonlySet<CapabilityKind>): readonly CapabilityKind[] {
  if (data.length === 0) return extras.some(kind => !before.has(kind)) ? extras : kinds
  const codes = new Set<number>()
  for (let at = 0; at < data.length; at += 2 + (data[at + 1] ?? 0)) codes.add(data[at])
  return kinds.filter(kind => kind !== families && codes.has(capabilityTypes[kind].code))
}

/** Capabilities without those of these kinds. */
export function without(list: readonly Capability[], leftOut: readonly CapabilityKind[]): Capability[] {
  return list.filter(({ kind }) => kind === 'unknown' || !leftOut.includes(kind))
}

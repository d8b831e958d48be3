// What a peer tells the operator: its state as a whole, why it is down, and what it reports.

import type { Family, Report, State } from '../types.ts'
import { CEASE, cease, HOLD_TIMER_EXPIRED, type Notification, notificationText } from '../wire/notification.ts'
import type { Fault } from '../wire/verdict.ts'
import type { Ends } from './explain.ts'
import * as explain from './explain.ts'
import type { Host } from './host.ts'
import { Repeats } from './repeats.ts'
import type { UpdateResult } from './routes.ts'

const treatments = {
  discard: 'an attribute of an UPDATE is ignored',
  withdraw: 'the routes of an UPDATE count as withdrawn',
  reset: 'an UPDATE ends the session',
} as const

export class Journal {
  readonly #host: Host
  readonly #name: string
  /** The peer in words. */
  readonly #about: () => string
  /** The most advanced state among the peer's connections, and when it was entered. */
  state: State = 'Idle'
  since: number
  /** Why the peer is down or was last: cause and next step. */
  lastError: string | undefined
  /** The last error is of this session or of an attempt since, not of the time before it. */
  #isFresh = false
  /** The last error is the reason in a NOTIFICATION, theirs or ours. */
  #hasReason = false
  /** The hold timer of the session ran out. */
  #isSilent = false
  /** The last such reason, until a session comes up again. */
  #reason: string | undefined
  readonly #repeats = new Repeats()

  constructor(host: Host, name: string, about: () => string) {
    this.#host = host
    this.#name = name
    this.#about = about
    this.since = host.now
  }

  entered(to: State): void {
    const from = this.state
    if (to === from) return
    this.state = to
    this.since = this.#host.now
    const why = from === 'Established' && this.#isFresh ? `: ${this.lastError}` : ''
    const silent = from === 'Established' && this.#isSilent
    if (to === 'Established') {
      this.#hasReason = this.#isFresh = this.#isSilent = false
      this.#reason = undefined
    }
    const text = this.#say(`${from} -> ${to}${why}`)
    this.#report({ type: 'state', peer: this.#name, from, to, ...(silent && { silent }), text })
  }

  /** A connection could not be made. Told once, not at every attempt. */
  notReached(ends: Ends, reason: string): void {
    const failure = explain.connectFailure(ends, reason)
    // Why it went is worth more than that it does not answer since.
    const text = this.#reason === undefined ? failure : `${failure}; before that: ${this.#reason}`
    if (text === this.lastError) return
    this.#blame(text)
    this.#hasReason = false
    this.#report({ type: 'connectFailed', peer: this.#name, text: this.#say(failure) })
  }

  /** A connection ended without a word. */
  lost(ends: Ends, reason: string, state: State): void {
    // A peer that has told why it does not want us, and then only hangs up, still has that reason.
    if (!(this.#hasReason && state === 'OpenSent')) this.#blame(explain.connectionLost(ends, reason, state))
  }

  /** The peer restarted and connected anew before we noticed. */
  restarted(): void {
    this.#blame('the peer restarted and connected anew')
  }

  received(ends: Ends, notification: Notification): void {
    const { code, subcode } = notification
    const reason = explain.received(ends, notification)
    this.#refused(reason)
    this.#error(code, subcode, false, reason)
  }

  /** We sent a NOTIFICATION; losing a collision is not worth a word. */
  sent(ends: Ends, why: Fault, administrative: boolean): void {
    const text = explain.sent(ends, why)
    if (!administrative) this.#refused(text)
    const { code, subcode } = why
    if (code === HOLD_TIMER_EXPIRED) this.#isSilent = true
    if (code === CEASE && subcode === cease.collision) return
    this.#error(code, subcode, true, `${text} (${notificationText(why)} sent)`)
  }

  limit(direction: 'in' | 'out', family: Family, limit: number, text: string): void {
    this.#report({ type: 'prefixLimit', peer: this.#name, direction, family, limit, text: this.#say(text) })
  }

  endOfRib(family: Family): void {
    this.#report({ type: 'endOfRib', peer: this.#name, family, text: this.#say(`has sent all its ${family} routes`) })
  }

  /** Routes of these families are kept over a restart of the peer, for so many seconds; or dropped, and why. */
  stale(families: readonly Family[], secondsOrWhy: number | string, long = false): void {
    const kept = typeof secondsOrWhy === 'number'
    const list = families.join(' and ')
    const text = kept
      ? `its ${list} routes are kept ${long ? 'as the last choice ' : ''}for up to ${secondsOrWhy} s, as it asked for when it restarts`
      : `its ${list} routes, kept while it was away, are dropped: ${secondsOrWhy}`
    this.#report({ type: 'stale', peer: this.#name, families, kept, text: this.#say(text) })
  }

  /** Something about a route refresh is not as it should be. */
  refresh(text: string): void {
    const times = this.#repeats.next(text, this.#host.now)
    if (times !== undefined) this.#report({ type: 'refresh', peer: this.#name, text: this.#say(text + times) })
  }

  /** RFC 7606 was applied to the UPDATE in these octets. What repeats itself is told now and then, with a count. */
  incident({ treatment, why }: NonNullable<UpdateResult['incident']>, octets: Uint8Array): void {
    const text = `${treatments[treatment]}: ${why}`
    const times = this.#repeats.next(text, this.#host.now)
    if (times === undefined) return
    const words = this.#say(text + times)
    this.#report({ type: 'update', peer: this.#name, treatment, octets: octets.slice(), text: words })
  }

  #error(code: number, subcode: number, sent: boolean, text: string): void {
    const times = this.#repeats.next(text, this.#host.now)
    if (times === undefined) return
    this.#report({ type: 'sessionError', peer: this.#name, code, subcode, sent, text: this.#say(text + times) })
  }

  /** A NOTIFICATION, theirs or ours. */
  #refused(reason: string): void {
    this.#blame(reason)
    this.#hasReason = true
    this.#reason = reason
  }

  #blame(text: string): void {
    this.lastError = text
    this.#isFresh = true
  }

  #say(text: string): string {
    return `${this.#about()}: ${text}`
  }

  #report(report: Report): void {
    this.#host.emit({ do: 'report', report })
  }
}

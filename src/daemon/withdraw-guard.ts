// Most learned routes withdrawn within a moment: a broken reflector or a slip of its operator rather than so many dead nodes.
//
// BGP's word is obeyed unless the cluster asks for this (`massWithdrawGuard.holdWithdrawals`, RouteRules.hold). Then a withdrawal waits a
// second; if by then more than the set share of the routes in force is withdrawn, all of them are held: they stay as they were last
// known, for a time that is set, while sessions and decisions go on as ever. The resolver still owns them, so one whose next hop
// becomes unreachable leaves the kernel at once, held or not. A route that is announced again is an ordinary one; when enough are
// back and no more come, the rest goes. What our own configuration takes away is never held.

import type { Clock } from '../dataplane/index.ts'
import type { WithdrawalHold } from '../model/intent.ts'

export interface WithdrawGuardPorts {
  readonly clock: Clock
  /** Number of learned routes in force, those that wait or are held among them. */
  readonly inForce: () => number
  /** These are withdrawn after all. */
  readonly letGo: (prefixes: readonly string[]) => void
  /** A hold begins or is over: for the log. */
  readonly tell: (happening: string) => void
}

/** Milliseconds that a withdrawal waits for others of its kind. */
export const settleFor = 1_000
/** Milliseconds without a route coming back after which a recovery is over. */
export const quietFor = 10_000
/** Milliseconds after a change of our own configuration in which withdrawals are ours. */
export const ownDoingFor = 5_000
/** Fewer than so many are never held. */
const atLeast = 2

export class WithdrawGuard {
  readonly #ports: WithdrawGuardPorts
  #setting: WithdrawalHold | undefined
  /** Withdrawn, and still in force. */
  readonly #waiting = new Set<string>()
  /** Learned routes in force when the first of them was withdrawn. */
  #of = 0
  #hold: { readonly until: number; readonly gone: number } | undefined
  #lastBack = 0
  #ownUntil = -Infinity
  #cancel: (() => void) | undefined

  constructor(ports: WithdrawGuardPorts) {
    this.#ports = ports
  }

  /** Undefined: nothing is held, and what was goes. */
  set(setting: WithdrawalHold | undefined): void {
    this.#setting = setting
    if (!setting) this.accept()
  }

  /** Whether anything may be held. */
  get isSet(): boolean {
    return this.#setting !== undefined
  }

  /** Our own configuration has changed: what goes now goes by our own will. */
  ownDoing(): void {
    this.#ownUntil = this.#ports.clock.now() + ownDoingFor
  }

  /** True: the route stays for now. Asked for a route that is in force. */
  keeps(prefix: string): boolean {
    const { clock, inForce } = this.#ports
    if (!this.#setting || clock.now() < this.#ownUntil) return false
    if (this.#waiting.size === 0) {
      this.#of = inForce()
      this.#lookIn(settleFor)
    }
    this.#waiting.add(prefix)
    return true
  }

  /** The route is announced again, or gone for another reason. */
  settled(prefix: string): void {
    if (this.#waiting.size === 0 || !this.#waiting.delete(prefix)) return
    this.#lastBack = this.#ports.clock.now()
    if (this.#waiting.size > 0) return
    if (this.#hold) this.#ports.tell('every route that was held in force is announced again')
    this.#end()
  }

  /** Whether the route is withdrawn, and in force because most were withdrawn with it. */
  holds(prefix: string): boolean {
    return this.#hold !== undefined && this.#waiting.has(prefix)
  }

  /** For people; undefined: nothing is held. */
  get held(): string | undefined {
    if (!this.#hold) return undefined
    const seconds = Math.max(0, Math.ceil((this.#hold.until - this.#ports.clock.now()) / 1000))
    return `${this.#hold.gone} of ${this.#of} learned routes in force were withdrawn at once: ${this.#waiting.size} of them stay in force for ${seconds} s more, as far as their next hops are reachable and margayd is not restarted; see margayctl bgp summary for the session that lost them, or let them go: margayctl guard accept`
  }

  /** Lets go what is held or waits. */
  accept(): void {
    const prefixes = [...this.#waiting]
    if (this.#hold) this.#ports.tell(`routes that were held in force are let go: ${prefixes.length}`)
    this.#end()
    if (prefixes.length > 0) this.#ports.letGo(prefixes)
  }

  close(): void {
    this.#end()
  }

  #end(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#hold = undefined
    this.#waiting.clear()
  }

  #lookIn(ms: number): void {
    this.#cancel?.()
    this.#cancel = this.#ports.clock.after(ms, () => this.#look())
  }

  #look(): void {
    const now = this.#ports.clock.now()
    const isMass =
      this.#waiting.size >= atLeast && this.#waiting.size * 100 > this.#of * (this.#setting?.percent ?? 100)
    if (!this.#hold) {
      if (!isMass) return this.accept()
      this.#hold = { until: now + 1000 * (this.#setting?.seconds ?? 0), gone: this.#waiting.size }
      this.#ports.tell(this.held ?? '')
    } else if (now >= this.#hold.until || (!isMass && now - this.#lastBack >= quietFor)) {
      return this.accept()
    }
    this.#lookIn(Math.min(settleFor, Math.max(0, this.#hold.until - now)))
  }
}

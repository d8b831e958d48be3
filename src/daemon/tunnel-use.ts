// This node's record of its tunnels: written when it differs from what the datastore says, by nobody else (plan/tunnel-use.ts has the
// reason). It tells of a device that is sent by until no route in the kernel leaves by it any more.

import { isDeepStrictEqual } from 'node:util'
import type { Datastore } from '../datastore/contract.ts'
import { type TunnelUse, tunnelUseKind } from '../model/tunnel-use.ts'
import { Later } from './later.ts'
import type { Log } from './log.ts'
import { writeOwn } from './own-record.ts'

export interface TunnelUsePorts {
  readonly node: string
  readonly datastore: Pick<Datastore, 'get' | 'create' | 'update'>
  readonly log: Log
  /** Tunnel devices by which routes of ours leave now. */
  readonly carrying: () => readonly string[]
  /** It is time to plan again. */
  readonly onDue: () => void
}

/** Milliseconds until it is looked at again whether the last route has left a device. */
const lookAgain = 100
/** After a datastore that could not be written, milliseconds. */
const retryAfter = 2_000

interface Pending {
  readonly before: TunnelUse | undefined
  readonly use: TunnelUse
  failed?: boolean
}

export class TunnelUseKeeper {
  readonly #ports: TunnelUsePorts
  /** Written over `before`, and not come back yet. */
  #pending: Pending | undefined
  #problem: string | undefined
  readonly #later: Later

  constructor(ports: TunnelUsePorts) {
    this.#ports = ports
    this.#later = new Later(ports.onDue)
  }

  get problems(): readonly string[] {
    return this.#problem === undefined ? [] : [this.#problem]
  }

  /** What others may know already though it has not come back. */
  get pending(): TunnelUse | undefined {
    return this.#pending?.use
  }

  /** `stored`: the record as the datastore, in sync, last told it. Call it when the plan's devices and routes are in force. */
  apply(wanted: TunnelUse | undefined, stored: TunnelUse | undefined): void {
    if (!wanted) return
    const carrying = this.#ports.carrying().filter(device => !wanted.sends.includes(device))
    if (carrying.length > 0) this.#later.in(lookAgain)
    const use = { ...wanted, sends: [...wanted.sends, ...carrying].toSorted() }
    if (this.#pending && !isDeepStrictEqual(stored, this.#pending.before)) {
      // What was worked out beside the pending one may be out of date.
      this.#pending = undefined
      this.#later.in(0)
    } else if (!isDeepStrictEqual(use, stored) && (!this.#pending || this.#pending.failed)) {
      this.#pending = { before: stored, use }
      void this.#write(this.#pending)
    }
  }

  close(): void {
    this.#later.cancel()
  }

  async #write(pending: Pending): Promise<void> {
    const { datastore, log } = this.#ports
    const { node, ...value } = pending.use
    try {
      await writeOwn(datastore, tunnelUseKind, node, value)
      this.#problem = undefined
      const { accepts, leaving, sends } = value
      log.debug('told of the tunnels', { accepts: accepts.join(), leaving: leaving.join(), sends: sends.join() })
    } catch (error) {
      // It may be written all the same, so it stays pending.
      pending.failed = true
      const reason = error instanceof Error ? error.message : String(error)
      this.#problem = `node "${node}": the other nodes have not been told of its tunnels yet, so a changed mode is not in force everywhere: ${reason}`
      this.#later.in(retryAfter)
    }
  }
}

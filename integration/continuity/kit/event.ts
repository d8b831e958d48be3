// What happens to a network, as a row of docs/continuity.md.

import type { Test } from 'tap'
import type { TestLab } from '../../kit/lab.ts'
import type { Probe } from './probe.ts'

export interface ContinuityEvent {
  /** The row's head; unique. */
  readonly name: string
  /** What an operator does on purpose. It loses nothing, and the run says so if it does. */
  readonly planned: boolean
  /** Not planned, and still nothing may be lost: docs/design.md promises it. */
  readonly promised?: true
  /** No kernel of `Fabric.watched` loses a route meanwhile, and no router withdraws one from its `Fabric.witness`. */
  readonly keepsRoutes?: true
  /** Why nothing is lost, or what bounds the loss, with its cause: a sentence of the page. */
  readonly bound: string
  /** Makes it happen, and resolves when it is over. The probe runs; afterwards all of it has to arrive again. */
  run(scene: Scene): Promise<void>
}

/** One lab, the pods between which the probe runs, and what happens there. */
export interface Fabric {
  /** The column's head; unique, and in `fabrics` (table.ts). */
  readonly name: string
  /** Part of the lab's name. */
  readonly tag: string
  readonly source: { readonly lab: string } | { readonly text: string }
  /** On two nodes. */
  readonly pods: readonly [string, string]
  /** The nodes to which it happens, one after another. */
  readonly nodes: readonly string[]
  /** Hosts whose kernels keep their routes. */
  readonly watched: readonly string[]
  /** A BIRD that counts what its neighbours withdraw. */
  readonly witness?: { readonly router: string; readonly neighbours: readonly string[] }
  readonly events: readonly ContinuityEvent[]
}

export interface Scene {
  readonly t: Test
  readonly lab: TestLab
  readonly fabric: Fabric
  readonly probe: Probe
  /** An empty folder that goes with the test. */
  readonly folder: string
}

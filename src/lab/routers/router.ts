// A kind of router is a file beside this one; the table in index.ts is the only list.

import type { RouterPlan } from '../topology.ts'

export interface RouterDaemon {
  readonly role: string
  readonly argv: readonly string[]
  /** The socket on which it answers; the next daemon is started when it is there. */
  readonly socket: string
}

export interface RouterKind {
  readonly kind: RouterPlan['kind']
  /** Debian's package. */
  readonly debianPackage: string
  /** Who owns `dir`: the user and group that the daemons change to. Absent: root. */
  readonly owner?: string
  /** What has to be there, absolute paths. */
  readonly programs: readonly string[]
  /** Configuration files by name within the router's own directory `dir`. */
  render(plan: RouterPlan, dir: string): Readonly<Record<string, string>>
  /** The processes to start in the router's namespace, in order. Each stays in the foreground. */
  daemons(plan: RouterPlan, dir: string): readonly RouterDaemon[]
  /** The operator's commands, by name, with what makes them find this router. */
  tools(dir: string): Readonly<Record<string, readonly string[]>>
}

// The daemon's file read again: which of its settings a running daemon takes over, and which need a restart.

import { isDeepStrictEqual } from 'node:util'
import type { DaemonConfig } from '../api/config.ts'

export interface Reload {
  /** What is in force: the old settings, with what can change in the new form. */
  readonly config: DaemonConfig
  /** Settings that are in force in another form now: `log.level`. */
  readonly changed: readonly string[]
  /** Settings whose new form waits for a restart. */
  readonly needRestart: readonly string[]
}

/** Every other setting names what is opened at the start, or marks what is in the kernel. */
const live: ReadonlySet<string> = new Set([
  'log.level',
  'log.format',
  'dataplane.mtu',
  'dataplane.clampMss',
  'cni.sysctls',
])

export function compareConfigs(before: DaemonConfig, next: DaemonConfig): Reload {
  const [old, given] = [flat(before), flat(next)]
  const names = [...new Set([...old.keys(), ...given.keys()])].toSorted()
  const differing = names.filter(name => !isDeepStrictEqual(old.get(name), given.get(name)))
  const { mtu, clampMss } = next.dataplane
  return {
    config: {
      ...before,
      log: next.log,
      dataplane: { ...before.dataplane, mtu, clampMss },
      cni: { ...before.cni, sysctls: next.cni.sysctls },
    },
    changed: differing.filter(name => live.has(name)),
    needRestart: differing.filter(name => !live.has(name)),
  }
}

/** Settings by name, two words deep: `dataplane.mtu`. */
function flat(config: DaemonConfig): ReadonlyMap<string, unknown> {
  return new Map(
    Object.entries(config).flatMap(([key, value]): [string, unknown][] =>
      typeof value === 'object'
        ? Object.entries(value).map(([name, each]) => [`${key}.${name}`, each])
        : [[key, value]],
    ),
  )
}

// Who is measured: devices, and what else stands beside Margay in a scenario of another kind.

import { execFileSync } from 'node:child_process'
import { devices } from './devices/index.ts'

export interface Contender {
  readonly name: string
  readonly title: string
  /** As it says itself; empty: nobody asks. */
  version(): string
}

const others: readonly Contender[] = [
  {
    name: 'ip-batch',
    title: 'ip -batch',
    version: () => /iproute2-([\d.]+)/.exec(execFileSync('ip', ['-V'], { encoding: 'utf8' }))?.[1] ?? '',
  },
  { name: 'ptp', title: 'ptp + host-local', version: () => '' },
  { name: 'empty', title: 'an empty program', version: () => '' },
]

/** Margay first. */
export const contenders: readonly Contender[] = [...devices, ...others]

export const titleOf = (name: string): string => contenders.find(each => each.name === name)?.title ?? name

// Who is measured: devices, and what else stands beside Margay in a scenario of another kind.

import { execFileSync } from 'node:child_process'
import { devices } from './devices/index.ts'

export interface Contender {
  readonly name: string
  readonly title: string
  /** As it says itself; empty: nobody asks. */
  version(): string
  /** What nobody can go below, rather than another way to do it: it is in tables, and nothing is measured against it. */
  readonly isFloor?: true
}

const others: readonly Contender[] = [
  {
    name: 'ip-batch',
    title: 'ip -batch',
    version: () => /iproute2-([\d.]+)/.exec(execFileSync('ip', ['-V'], { encoding: 'utf8' }))?.[1] ?? '',
  },
  { name: 'netlink-floor', title: "the kernel's floor", version: () => '', isFloor: true },
  { name: 'ptp', title: 'ptp + host-local', version: () => '' },
  { name: 'empty', title: 'an empty program', version: () => '' },
]

/** Margay first. */
export const contenders: readonly Contender[] = [...devices, ...others]

/** Who does the same in a way of its own. */
export const competitors = contenders.filter(({ isFloor }) => !isFloor)

export const titleOf = (name: string): string => contenders.find(each => each.name === name)?.title ?? name

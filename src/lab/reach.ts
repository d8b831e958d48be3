// Who reaches whom: echoes from every source to every target, in both families, a source's all at once. Whoever does not answer is asked
// again for a while, so that a lost first packet (ARP, ND) is not a verdict.

import { answering } from '../../netlink/echo.ts'
import { netnsPath } from './processes.ts'
import type { Addresses } from './topology.ts'

export interface Party extends Addresses {
  readonly name: string
  readonly role: 'pod' | 'node' | 'outside'
  readonly netns: string
}

export interface Probe {
  readonly from: string
  readonly to: string
  readonly family: 4 | 6
  readonly address: string
  readonly ok: boolean
}

/** Milliseconds. */
const patience = 2000
/** Sources that probe at the same time. */
const width = 4

export async function probeAll(
  sources: readonly Party[],
  targets: readonly Party[],
  signal?: AbortSignal,
): Promise<readonly Probe[]> {
  const waiting = sources.values()
  const lanes = Array.from({ length: width }, async () => {
    const probes: Probe[] = []
    for (const source of waiting) probes.push(...(await probeFrom(source, targets, signal)))
    return probes
  })
  return (await Promise.all(lanes)).flat()
}

async function probeFrom(source: Party, targets: readonly Party[], signal?: AbortSignal): Promise<readonly Probe[]> {
  const wanted = targets
    .filter(target => target.name !== source.name)
    .flatMap(target => [
      ...(source.ipv4 && target.ipv4 ? [{ to: target.name, family: 4 as const, address: target.ipv4 }] : []),
      ...(source.ipv6 && target.ipv6 ? [{ to: target.name, family: 6 as const, address: target.ipv6 }] : []),
    ])
  signal?.throwIfAborted()
  const answers = await answering({
    netns: netnsPath(source.netns),
    to: wanted.map(({ address }) => address),
    wait: patience,
  })
  return wanted.map((probe, i) => ({ from: source.name, ...probe, ok: answers[i] }))
}

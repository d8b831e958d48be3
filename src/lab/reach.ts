// Who reaches whom: pings from every source to every target, in both families, many at once.
//
// One shell per source starts all of that source's pings. `ping -c 1 -w 2` ends with the first answer and sends a packet every
// 0.2 s until then, so that a lost first packet (ARP, ND) is not a verdict.

import { inNamespace } from './processes.ts'
import { run } from './run.ts'
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

const patience = 2
/** Sources that probe at the same time: their pings are started together. */
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
  const script = [
    ...wanted.map(
      ({ address }, i) => `(ping -n -q -c 1 -i 0.2 -w ${patience} ${address} >/dev/null 2>&1 && echo ${i}) &`,
    ),
    'wait',
  ].join('\n')
  const printed = await run(inNamespace(source.netns, ['sh', '-c', script]), { signal })
  const answered = new Set(printed.split('\n'))
  return wanted.map((probe, i) => ({ from: source.name, ...probe, ok: answered.has(String(i)) }))
}

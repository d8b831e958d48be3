// One run of a scenario: a network, a device in it, the generator, and what each phase took.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Device } from './devices/index.ts'
import { addressOf, device as station, peerStation } from './generator/addresses.ts'
import { Generator } from './generator/process.ts'
import type { Host } from '../integration/interop/kit/lan.ts'
import { end, Network, usageOf } from './network.ts'
import { Fib } from './fib.ts'
import type { Change, Measured, TrafficScenario } from './scenarios/index.ts'

export type Outcome =
  { readonly rows: readonly Measured[] } | { readonly rows: readonly Measured[]; readonly failed: string }

/** Sessions that are not all up after so many seconds count as a failure. */
const UP = 90

/** `device` undefined: the generator with itself. `limit`: seconds a phase. `profile`: see `DevicePlan`. */
export async function measure(
  scenario: TrafficScenario,
  size: number,
  device: Device | undefined,
  limit: number,
  profile?: string,
): Promise<Outcome> {
  const { shape } = scenario.sizes[size]
  const { family, kind } = shape
  const network = new Network(shape.peers.length)
  const rows: Measured[] = []
  try {
    const asksTurns = shape.phases.some(({ seconds, changes }) => seconds !== undefined && changes.length > 0)
    const generator = new Generator(network.generator, scenario.name, size, device ? 'all' : 'direct')
    await generator.says('built', 120)
    await device?.start(network.device, {
      asn: station.asn,
      routerId: station.routerId,
      local: addressOf(station, family),
      family,
      kind,
      profile,
      kernel: shape.kernel ?? false,
      hasPaths: shape.hasPaths,
      hasFilters: shape.hasFilters,
      holdTime: shape.holdTime,
      turns: asksTurns,
      neighbours: shape.peers.map(({ isQuiet }, n) => {
        const peer = peerStation(n, kind)
        return { address: addressOf(peer, family), asn: peer.asn, local: addressOf(station, family), isQuiet }
      }),
    })
    await generator.says('up', UP)
    const fib = shape.kernel ? new Fib(network.device) : undefined
    if (device && fib) await settled(device, network.device, limit)
    for (const [phase, { changes, restart }] of shape.phases.entries()) {
      const writes = restart ? await fib?.count() : undefined
      if (restart) await device?.stop?.(network.device)
      if (asksTurns) await device?.longestTurn?.(network.device)
      const before = usageOf(network.device)
      const start = performance.now()
      if (restart) device?.restart?.(network.device)
      const { row, seconds, cpu, octets } = await generator.phase({ phase, limit })
      if (restart && device) await settled(device, network.device, limit, announced(changes))
      else await fib?.after(changes, limit)
      const wall = fib ? (performance.now() - start) / 1000 : seconds
      const { memory, cpu: after } = usageOf(network.device)
      const count = asksTurns ? await device?.longestTurn?.(network.device) : await writes?.()
      const found = { wall, cpu: after - before.cpu, memory, generator: cpu, octets }
      if (row !== undefined) rows.push({ row, ...found, ...(count !== undefined && { count }) })
      await fib?.check(addressOf(peerStation(0, kind), family))
    }
    if (profile !== undefined) await end(network.device)
    return { rows }
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    // Whose turn it is: octets that the device has not read, and that were not taken from it.
    const queues = (await network.device.exec('ss', '-Htn')).split('\n').slice(0, 5)
    const log = device ? network.device.log(device.name).slice(-500) : ''
    return { rows, failed: [words, ...queues, log].filter(Boolean).join('\n') }
  } finally {
    network.remove()
  }
}

function announced(changes: readonly Change[]): number {
  return changes.reduce((sum, { kind, from, to }) => sum + (kind === 'announce' ? to - from : 0), 0)
}

/**
 * Resolves when a device says that it has taken in all; at once if it says no such thing. `limit`: seconds. `routes`: how many it has to
 * have by then.
 */
export async function settled(device: Device, host: Host, limit: number, routes = 0): Promise<void> {
  const end = performance.now() + limit * 1000
  while (device.isSettled && !(await device.isSettled(host, routes))) {
    if (performance.now() > end) throw new Error(`it is not in sync after ${limit} s`)
    await sleep(50)
  }
}

// One run of a scenario: a network, a device in it, the generator, and what each phase took.

import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Device } from './devices/index.ts'
import { addressOf, device as station, peerStation } from './generator/addresses.ts'
import type { FromGenerator, ToGenerator } from './generator/main.ts'
import type { PhaseResult } from './generator/run.ts'
import type { Host } from '../integration/interop/kit/lan.ts'
import { end, Network, usageOf } from './network.ts'
import { Fib } from './fib.ts'
import type { Measured, TrafficScenario } from './scenarios/index.ts'

export type Outcome =
  { readonly rows: readonly Measured[] } | { readonly rows: readonly Measured[]; readonly failed: string }

const main = fileURLToPath(new URL('generator/main.ts', import.meta.url))

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
    const argv = ['netns', 'exec', network.generator.netns, process.execPath, '--max-old-space-size=8192', main]
    const options = [scenario.name, String(size), device ? 'device' : 'direct']
    const child = spawn('ip', [...argv, ...options], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const generator = new Generator(child)
    await generator.says('built', 120)
    await device?.start(network.device, {
      asn: station.asn,
      routerId: station.routerId,
      local: addressOf(station, family),
      family,
      kind,
      profile,
      kernel: shape.kernel ?? false,
      neighbours: shape.peers.map((_, n) => {
        const peer = peerStation(n, kind)
        return { address: addressOf(peer, family), asn: peer.asn }
      }),
    })
    await generator.says('up', UP)
    const fib = shape.kernel ? new Fib(network.device) : undefined
    if (device && fib) await settled(device, network.device, limit)
    for (const [phase, { changes, restart }] of shape.phases.entries()) {
      const writes = restart ? await fib?.count() : undefined
      if (restart) await device?.stop?.(network.device)
      const before = usageOf(network.device)
      const start = performance.now()
      if (restart) device?.restart?.(network.device)
      const { row, seconds, cpu, octets } = await generator.phase({ phase, limit })
      if (restart && device) await settled(device, network.device, limit)
      else await fib?.after(changes, limit)
      const wall = fib ? (performance.now() - start) / 1000 : seconds
      const { memory, cpu: after } = usageOf(network.device)
      const count = await writes?.()
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

/** Resolves when a device says that it has taken in all; at once if it says no such thing. `limit`: seconds. */
async function settled(device: Device, host: Host, limit: number): Promise<void> {
  const end = performance.now() + limit * 1000
  while (device.isSettled && !(await device.isSettled(host))) {
    if (performance.now() > end) throw new Error(`it is not in sync after ${limit} s`)
    await sleep(50)
  }
}

/** The other end of the generator's process. */
class Generator {
  readonly #child: ChildProcess
  #heard: FromGenerator[] = []
  #wake = () => {}

  constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (message: FromGenerator) => {
      this.#heard.push(message)
      this.#wake()
    })
    child.on('exit', () => {
      this.#heard.push({ is: 'failed', words: 'the generator ended' })
      this.#wake()
    })
  }

  async phase(what: ToGenerator): Promise<PhaseResult> {
    this.#child.send(what)
    const message = await this.#next(what.limit + 60)
    if (message.is !== 'done')
      throw new Error(message.is === 'failed' ? message.words : `the generator is ${message.is}`)
    return message.result
  }

  async says(what: FromGenerator['is'], limit: number): Promise<void> {
    const message = await this.#next(limit)
    if (message.is === 'failed') throw new Error(message.words)
    if (message.is !== what) throw new Error(`the generator is ${message.is}, not ${what}`)
  }

  async #next(limit: number): Promise<FromGenerator> {
    const late = setTimeout(() => {
      this.#heard.push({ is: 'failed', words: `nothing from the generator for ${limit} s` })
      this.#wake()
    }, limit * 1000)
    while (this.#heard.length === 0) await new Promise<void>(resolve => (this.#wake = resolve))
    clearTimeout(late)
    const [message, ...rest] = this.#heard
    this.#heard = rest
    return message
  }
}

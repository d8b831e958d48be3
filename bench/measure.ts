// One run of a scenario: a network, a device in it, the generator, and what each phase took.

import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Device } from './devices/index.ts'
import { addressOf, device as station, peerStation } from './generator/addresses.ts'
import type { FromGenerator, ToGenerator } from './generator/main.ts'
import type { PhaseResult } from './generator/run.ts'
import type { Host } from '../integration/interop/kit/lan.ts'
import { Network, pidsOf, usageOf } from './network.ts'
import type { Scenario } from './scenarios/index.ts'

export interface Measured {
  readonly row: string
  /** Seconds. */
  readonly wall: number
  /** Seconds of the device's processes. */
  readonly cpu: number
  /** MB at the peak so far, of all its processes. */
  readonly memory: number
  /** Seconds of the generator's process, and octets that it received. */
  readonly generator: number
  readonly octets: number
}

export type Outcome =
  { readonly rows: readonly Measured[] } | { readonly rows: readonly Measured[]; readonly failed: string }

const main = fileURLToPath(new URL('generator/main.ts', import.meta.url))

/** Sessions that are not all up after so many seconds count as a failure. */
const UP = 90

/** `device` undefined: the generator with itself. `limit`: seconds a phase. `profile`: see `DevicePlan`. */
export async function measure(
  scenario: Scenario,
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
      neighbours: shape.peers.map((_, n) => {
        const peer = peerStation(n, kind)
        return { address: addressOf(peer, family), asn: peer.asn }
      }),
    })
    await generator.says('up', UP)
    for (const phase of shape.phases.keys()) {
      const before = usageOf(network.device)
      const { row, seconds, cpu, octets } = await generator.phase({ phase, limit })
      const { memory, cpu: after } = usageOf(network.device)
      if (row !== undefined) {
        rows.push({ row, wall: seconds, cpu: after - before.cpu, memory, generator: cpu, octets })
      }
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

/** Asks all processes of a host to end, and waits for it. */
async function end(host: Host): Promise<void> {
  for (const pid of pidsOf(host)) process.kill(pid, 'SIGTERM')
  for (let tries = 0; pidsOf(host).length > 0 && tries < 200; tries++) await sleep(100)
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

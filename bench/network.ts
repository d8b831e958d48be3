// Two namespaces and a wire between them: the device under test in one, the generator with all its addresses in the other.

import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Host } from '../integration/interop/kit/lan.ts'
import { device, legOf, peerStation } from './generator/addresses.ts'

let count = 0

export class Network {
  readonly device: Host
  /** One; with legs, one a peer. */
  readonly generators: readonly Host[]
  readonly #directory = mkdtempSync(join(tmpdir(), 'mgb-'))
  readonly #remove = () => this.remove()

  /** With addresses for that many peers. `legs`: two peers, each in a namespace of its own at a cable of its own. */
  constructor(peers: number, legs = false) {
    // Daemons that give up root write there, too.
    chmodSync(this.#directory, 0o777)
    const name = `mgb-${process.pid}-${count++}`
    this.device = new Host(`${name}-dev`, 1, this.#directory)
    const ends = legs ? [`${name}-gen0`, `${name}-gen1`] : [`${name}-gen`]
    this.generators = ends.map((end, n) => new Host(end, n + 2, this.#directory))
    process.once('exit', this.#remove)
    for (const { netns } of [this.device, ...this.generators]) execFileSync('ip', ['netns', 'add', netns])
    if (legs) this.#lay()
    else this.#join(peers)
  }

  /** The generator, where there is one. */
  get generator(): Host {
    return this.generators[0]
  }

  remove(): void {
    process.off('exit', this.#remove)
    for (const host of [this.device, ...this.generators]) host.remove()
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }

  #join(peers: number): void {
    const ends = [
      { netns: this.device.netns, stations: [device] },
      { netns: this.generator.netns, stations: Array.from({ length: peers }, (_, n) => peerStation(n, 'ebgp')) },
    ]
    const wire = `link add eth0 type veth peer name eth0 netns ${this.generator.netns}`
    for (const [i, { netns, stations }] of ends.entries()) {
      batch(netns, [
        ...(i === 0 ? [wire] : []),
        'link set lo up',
        'link set eth0 up',
        ...stations.flatMap(({ ipv4, ipv6 }) => [`addr add ${ipv4}/16 dev eth0`, `addr add ${ipv6}/64 dev eth0 nodad`]),
      ])
    }
    if (peers > 200) this.#nameNeighbours(peers)
  }

  /** The kernel keeps a thousand hardware addresses of its own accord, of all namespaces together: of more it is told. */
  #nameNeighbours(peers: number): void {
    const text = execFileSync('ip', ['-n', this.generator.netns, '-j', 'link', 'show', 'eth0'], { encoding: 'utf8' })
    const [{ address }] = JSON.parse(text) as [{ address: string }]
    const list = Array.from({ length: peers }, (_, n) => peerStation(n, 'ebgp').ipv4)
    batch(
      this.device.netns,
      list.map(peer => `neigh replace ${peer} lladdr ${address} dev eth0 nud permanent`),
    )
  }

  /** A /31 on each cable, the device's own address on its loopback. */
  #lay(): void {
    batch(this.device.netns, ['link set lo up', `addr add ${device.ipv4}/32 dev lo`])
    for (const [n, { netns }] of this.generators.entries()) {
      const own = legOf(n === 0 ? 0 : 1)
      batch(this.device.netns, [
        `link add eth${n} type veth peer name eth0 netns ${netns}`,
        `link set eth${n} up`,
        `addr add ${own}/31 dev eth${n}`,
      ])
      const lines = ['link set lo up', 'link set eth0 up', `addr add ${peerStation(n, 'ebgp').ipv4}/31 dev eth0`]
      batch(netns, [...lines, `route add ${device.ipv4} via ${own}`])
    }
  }
}

function batch(netns: string, lines: readonly string[]): void {
  execFileSync('ip', ['-n', netns, '-batch', '-'], { input: lines.join('\n') })
}

export interface Usage {
  /** Seconds of processor time so far. */
  readonly cpu: number
  /** MB at the peak (VmHWM), those of all its processes added. */
  readonly memory: number
}

export function pidsOf({ netns }: Pick<Host, 'netns'>): number[] {
  const text = execFileSync('ip', ['netns', 'pids', netns], { encoding: 'utf8' })
  return text.split('\n').filter(Boolean).map(Number)
}

/** Ends all processes of a host, and waits for it. */
export async function end(host: Host, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  for (const pid of pidsOf(host)) process.kill(pid, signal)
  for (let tries = 0; pidsOf(host).length > 0 && tries < 400; tries++) await sleep(50)
}

/** What all processes of a host have used. `without`: those in its namespace that are not its own. */
export function usageOf(host: Pick<Host, 'netns'>, without: readonly (number | undefined)[] = []): Usage {
  let [ticks, kilobytes] = [0, 0]
  for (const pid of pidsOf(host).filter(each => !without.includes(each))) {
    const [, rest = ''] = read(`/proc/${pid}/stat`).split(') ')
    const fields = rest.split(' ')
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
    kilobytes += Number(/VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0)
  }
  return { cpu: ticks / 100, memory: (kilobytes * 1024) / 1e6 }
}

/** Seconds of processor time of child processes of ours that have ended. */
export function usageOfChildren(): number {
  const [, rest = ''] = read('/proc/self/stat').split(') ')
  const fields = rest.split(' ')
  return (Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) / 100
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has ended meanwhile
  }
}

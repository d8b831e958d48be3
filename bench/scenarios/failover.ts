// A node with two ways for every route loses one of them: with its cable, or because the neighbour says nothing any more.

import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Host } from '../../integration/interop/kit/lan.ts'
import { devices } from '../devices/index.ts'
import { device as station, legOf, peerStation } from '../generator/addresses.ts'
import { BURST, PORT, type Sent } from '../generator/probe.ts'
import { Generator } from '../generator/process.ts'
import { makeTable, prefixText } from '../generator/table.ts'
import { settled } from '../measure.ts'
import { Network, usageOf } from '../network.ts'
import { type Measured, type OwnScenario, type RunOptions, type Size, thousands } from './scenario.ts'
import { routes } from './two-legs.ts'

const rows = ['failover, carrier', 'failover, neighbour', 'failover, routes'] as const
/** Routes that packets are sent by. */
const PROBED = 64
const probe = fileURLToPath(new URL('../generator/probe.ts', import.meta.url))

/** A device that has all routes by both neighbours. */
interface Stage {
  readonly network: Network
  /** By leg. */
  readonly generators: readonly Generator[]
  /** Routes that the kernel has by both legs, or by the first alone. */
  readonly ways: () => Promise<{ readonly both: number; readonly first: number }>
}

async function raise(size: number, contender: string, { limit }: RunOptions): Promise<Stage> {
  const network = new Network(2, true)
  try {
    const device = devices.find(({ name }) => name === contender)
    if (!device) throw new Error(`there is no device ${contender}`)
    const generators = network.generators.map((host, n) => new Generator(host, 'failover', size, String(n)))
    for (const generator of generators) await generator.says('built', 120)
    await device.start(network.device, {
      ...station,
      local: station.ipv4,
      family: 'ipv4-unicast',
      kind: 'ebgp',
      kernel: true,
      legs: true,
      neighbours: ([0, 1] as const).map(n => {
        const { ipv4, asn } = peerStation(n, 'ebgp')
        return { address: ipv4, asn, local: legOf(n) }
      }),
    })
    for (const generator of generators) await generator.says('up', 90)
    await settled(device, network.device, limit)
    for (const generator of generators) await generator.phase({ phase: 0, limit })
    const ways = async () => {
      const text = await network.device.exec('ip', 'route', 'show')
      const both = text.match(/^\tnexthop via 10\.210\.0\.2 /gm)?.length ?? 0
      return { both, first: text.match(/^\S+ via 10\.210\.0\.1 /gm)?.length ?? 0 }
    }
    const end = performance.now() + limit * 1000
    for (let found = await ways(); found.both < routes[size]; found = await ways()) {
      if (performance.now() > end) throw new Error(`${found.both} of ${routes[size]} routes have both ways`)
      await sleep(200)
    }
    return { network, generators, ways }
  } catch (error) {
    const log = network.device.log(contender).slice(-500)
    network.remove()
    throw new Error(`${error instanceof Error ? error.message : String(error)} ${log}`, { cause: error })
  }
}

/** A program of `probe.ts` in a host. */
async function start(host: Host, ...words: readonly string[]) {
  const argv = ['netns', 'exec', host.netns, process.execPath, '--disable-warning=ExperimentalWarning', probe]
  const child = spawn('ip', [...argv, ...words], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const next = <T>(): Promise<T> =>
    new Promise<T>(resolve => child.once('message', resolve as (value: unknown) => void))
  await next()
  return {
    ask: <T>(): Promise<T> => {
      child.send('stop')
      return next<T>()
    },
    end: () => child.disconnect(),
    // `ip netns exec` becomes it.
    pid: child.pid,
  }
}

/** Packets to addresses that both neighbours have, by both. */
async function sendProbes(network: Network, size: number) {
  const table = makeTable('ipv4-unicast', [{ prefixes: routes[size], sets: routes[size] * 0.15 }])
  const chosen = Array.from({ length: PROBED }, (_, i) => prefixText(table, Math.floor((i * routes[size]) / PROBED)))
  for (const host of network.generators)
    await host.exec('sh', '-c', chosen.map(prefix => `ip route add local ${prefix} dev lo`).join('; '))
  const receivers = await Promise.all(network.generators.map(host => start(host, 'receive')))
  const sender = await start(network.device, 'send', chosen.map(prefix => prefix.split('/')[0]).join(','), 'eth1')
  const stop = async () => {
    const sent = await sender.ask<Sent>()
    const came = new Set((await Promise.all(receivers.map(each => each.ask<number[]>()))).flat())
    for (const each of [sender, ...receivers]) each.end()
    return { ...sent, came }
  }
  return { stop, senders: [sender.pid] }
}

/** The second cable is pulled while packets go by both: how many of those that were sent after the loss was known did not arrive. */
async function pull(size: number, contender: string, options: RunOptions): Promise<Measured> {
  const { network } = await raise(size, contender, options)
  try {
    const { stop } = await sendProbes(network, size)
    await sleep(1_000)
    await network.generators[1].exec('ip', 'link', 'set', 'eth0', 'down')
    await sleep(3_000)
    const { packets, event, came } = await stop()
    if (event < 0) throw new Error('nobody heard that the carrier was lost')
    if (came.size < event / 2) throw new Error(`${came.size} of ${event} packets arrived before the cable was pulled`)
    let lost = 0
    for (let i = event; i < packets; i++) if (!came.has(i)) lost++
    return { row: rows[0], wall: 0, cpu: 0, memory: 0, count: lost }
  } finally {
    network.remove()
  }
}

/**
 * Counts the routes of which the kernel tells that they lead by the first leg alone. Of very many in a short time it loses some, so that
 * after a second without any the table itself says whether all have moved; the time is that of the last one all the same.
 */
function countMoves(netns: string) {
  const monitor = spawn('ip', ['-rc', String(1 << 28), '-n', netns, 'monitor', 'route'])
  let moved = 0
  let last = 0
  let rest = ''
  monitor.stdout.on('data', (text: Buffer) => {
    const lines = (rest + text.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    const some = lines.filter(line => /^\d\S* via 10\.210\.0\.1 /.test(line)).length
    moved += some
    if (some > 0) last = performance.now()
  })
  /** Resolves with the time, in milliseconds since 1970; undefined: after so many seconds not all had moved. */
  const all = async (count: number, haveMoved: () => Promise<boolean>, limit: number): Promise<number | undefined> => {
    const end = performance.now() + limit * 1000
    for (;;) {
      const isQuiet = moved > 0 && performance.now() > last + 1_000
      if (moved >= count || (isQuiet && (await haveMoved()))) return performance.timeOrigin + last
      if (performance.now() > end) return undefined
      await sleep(20)
    }
  }
  return { all, end: () => void monitor.kill() }
}

/**
 * A machine that is dead to all but the session's TCP, so that it still sees its end: it takes no packets, asks for no address and tells
 * none.
 */
async function kill(host: Host): Promise<void> {
  const link = await host.exec('ip', '-o', 'neigh', 'show', legOf(1))
  const mac = /lladdr (\S+)/.exec(link)?.[1] ?? ''
  await host.exec('ip', 'neigh', 'replace', legOf(1), 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent')
  const rules = `table netdev dead { chain in { type filter hook ingress device eth0 priority 0; ether type arp drop; udp dport ${PORT} drop; }; }`
  await host.exec('nft', rules)
}

/**
 * The second neighbour dies: how long after its session was given up the last packet was sent that it lost, and until when all routes
 * lead by the first alone.
 */
async function mute(size: number, contender: string, options: RunOptions): Promise<readonly Measured[]> {
  const { network, generators, ways } = await raise(size, contender, options)
  try {
    const moves = countMoves(network.device.netns)
    const { stop, senders } = await sendProbes(network, size)
    await sleep(1_000)
    const before = usageOf(network.device, senders)
    await kill(network.generators[1])
    const given = await generators[1].silence(options.limit)
    const haveMoved = async (): Promise<boolean> => {
      const { both, first } = await ways()
      return both === 0 && first === routes[size]
    }
    const all = await moves.all(routes[size], haveMoved, options.limit)
    moves.end()
    if (all === undefined) throw new Error(`not all routes were moved after ${options.limit} s`)
    const after = usageOf(network.device, senders)
    const { both, first } = await ways()
    if (both > 0 || first !== routes[size])
      throw new Error(`${both} routes have both ways yet, ${first} the first alone`)
    const { packets, bursts, came } = await stop()
    const timeOf = (packet: number): number => bursts[Math.floor(packet / BURST)]
    let last = given
    for (let i = 0; i < packets; i++) if (!came.has(i)) last = Math.max(last, timeOf(i))
    const usage = { cpu: after.cpu - before.cpu, memory: after.memory }
    return [
      { row: rows[1], wall: (last - given) / 1000, ...usage },
      { row: rows[2], wall: (all - given) / 1000, ...usage },
    ]
  } finally {
    network.remove()
  }
}

export const failover: OwnScenario = {
  name: 'failover',
  words:
    'A node has every route by two neighbours, each at a cable of its own. One cable loses its carrier while 4 packets a millisecond go by both: counted is what was sent after the kernel had told of the loss and did not arrive. Or one neighbour dies behind a cable that keeps its carrier (hold time 6 s): the time from the end of its session until the last packet that is still sent to it, and until the kernel has no route by it.',
  targets: { 'failover, carrier': { count: 0, counts: 'packets' }, 'failover, neighbour': { seconds: 0.02 } },
  targetsAt: {
    2: { 'failover, carrier': { count: 0, counts: 'packets' }, 'failover, neighbour': { seconds: 0.5 } },
  },
  sizes: routes.map((units): Size => ({ label: thousands(units), units })) as [Size, Size, Size],
  standard: 1,
  rows,
  contenders: ['margay', 'bird'],
  run: async (size, contender, options) => [
    await pull(size, contender, options),
    ...(await mute(size, contender, options)),
  ],
}

// What is asked of the way from one pod to another.

import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parseAddress } from '../../inet/index.ts'
import { eventually, slowness, type TestLab } from '../kit/lab.ts'
import { type Family, type Wrapping, wrappings } from './kinds.ts'

export interface Way {
  readonly family: Family
  readonly from: { readonly node: string; readonly pod: string }
  readonly to: { readonly node: string; readonly pod: string }
  readonly wrapping: Wrapping | undefined
  /** No node of the cluster, between the two. */
  readonly router?: string
}

/** Octets to send, in a file of their own, and their SHA-256. */
export function payload(t: Test): { readonly file: string; readonly hash: string } {
  const folder = mkdtempSync(join(tmpdir(), 'margay-payload-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const octets = randomBytes(4 << 20)
  const file = join(folder, 'octets')
  writeFileSync(file, octets)
  return { file, hash: createHash('sha256').update(octets).digest('hex') }
}

const target = (lab: TestLab, { family, to }: Way): string => lab.addresses(to.pod)[family] ?? ''

/** The SHA-256 of what arrives, as the receiver sends it back. */
export async function transfer(lab: TestLab, way: Way, file: string): Promise<string> {
  const port = way.family === 'ipv4' ? '7004' : '7006'
  const [answer] = await Promise.all([
    // Again until the other end listens.
    lab.exec(
      way.from.pod,
      'timeout',
      '120',
      'sh',
      '-c',
      `until busybox nc ${target(lab, way)} ${port} <${file} 2>/dev/null; do sleep 0.1; done`,
    ),
    lab.tryExec(way.to.pod, 'timeout', '120', 'busybox', 'nc', '-l', '-p', port, '-e', 'busybox', 'sha256sum'),
  ])
  return answer.split(' ')[0]
}

/** Whether a packet of this many octets, IP header included, comes there and back unbroken. */
export async function passes(lab: TestLab, way: Way, octets: number): Promise<boolean> {
  const headers = way.family === 'ipv4' ? 28 : 48
  const argv = ['ping', '-n', '-c', '1', '-w', '3', '-M', 'do', '-s', String(octets - headers), target(lab, way)]
  return (await lab.tryExec(way.from.pod, ...argv)).code === 0
}

/** What a packet from pod to pod meets, by name, the pod at the end included. */
export async function hops(lab: TestLab, way: Way): Promise<readonly string[]> {
  const names = await namesOf(lab, way)
  const program = way.family === 'ipv4' ? 'traceroute' : 'traceroute6'
  const argv = ['busybox', program, '-n', '-q', '1', '-w', '3', '-m', '8', target(lab, way)]
  const { stdout } = await lab.tryExec(way.from.pod, ...argv)
  return [...stdout.matchAll(/^ *\d+ +(\S+)/gm)].map(([, address]) => names.get(address) ?? address)
}

/** Every address of those on the way, tunnels' included. */
async function namesOf(lab: TestLab, { from, to, router }: Way): Promise<ReadonlyMap<string, string>> {
  const hosts = [from.node, to.node, to.pod, ...(router === undefined ? [] : [router])]
  const addresses = async (host: string): Promise<[string, string][]> => {
    const text = await lab.exec(host, 'ip', '-o', 'addr', 'show', 'scope', 'global')
    return [...text.matchAll(/inet6? ([^/ ]+)/g)].map(([, address]) => [address, host])
  }
  return new Map((await Promise.all(hosts.map(addresses))).flat())
}

/** Packets of the first pod as they come to the second one's node: one as it is wanted, and all that are otherwise. */
export async function capture(
  lab: TestLab,
  way: Way,
): Promise<{
  readonly wanted: string
  readonly others: string
  readonly ends: readonly string[]
  readonly showsPods: boolean
}> {
  const { family, from, to, wrapping } = way
  const pod = lab.addresses(from.pod)[family] ?? ''
  const bare = `src host ${pod}`
  const wrapped = wrappings
    .filter(({ overhead }) => overhead[family] !== undefined)
    .map(each => `(${each.filter(family)})`)
    .join(' or ')
  const tcpdump = ['tcpdump', '-l', '-n', '-v', '-x', '-i', 'eth0']
  const others = lab.running(to.node, [
    'sh',
    '-c',
    `exec ${tcpdump.join(' ')} '${wrapping ? bare : wrapped}' 2>/dev/null`,
  ])
  const pings = lab.running(from.pod, ['ping', '-n', '-i', '0.1', target(lab, way)])
  const wanted = await eventually('a packet is captured', async () => {
    const filter = wrapping ? wrapping.filter(family) : bare
    return (await lab.tryExec(to.node, 'timeout', String(10 * slowness), ...tcpdump, '-c', '1', filter)).stdout
  }).catch(String)
  await lab.tryExec(from.pod, 'ping', '-n', '-c', '5', '-i', '0.1', '-w', '20', target(lab, way))
  await pings()
  const inner = [pod, target(lab, way)]
  return {
    wanted,
    others: await others(),
    ends: wrapping ? nodeAddresses(lab, way) : inner,
    showsPods: inner.every(address => octetsOf(wanted).includes(hexOf(address))),
  }
}

/** The octets of a capture, whatever tcpdump knows of their meaning. */
const octetsOf = (text: string): string => text.replaceAll(/^\s+0x[0-9a-f]+: |\s/gm, '')

function hexOf(text: string): string {
  const address = parseAddress(text)
  if (!address) throw new Error(`${text} is no address`)
  return Buffer.from(address.octets).toString('hex')
}

const nodeAddresses = (lab: TestLab, { family, from, to }: Way): string[] =>
  [from.node, to.node].map(
    node => lab.topology.nodes.find(({ host }) => host === node)?.addresses[family]?.split('/')[0] ?? '',
  )

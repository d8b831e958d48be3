// What has to be true of the lab two-subnets, whatever wraps the packets that cross from one subnet to the other.

import type { Test } from 'tap'
import { everyPairReaches } from './expect.ts'
import { eventually, type TestLab } from './lab.ts'

export interface Wrapping {
  readonly family: 'ipv4' | 'ipv6'
  readonly device: string
  /** MTU of the device. */
  readonly mtu: number
  /** Outer packets, as tcpdump filters and as it prints them. */
  readonly filter: string
  readonly outer: RegExp
}

const nodeAddress = (lab: TestLab, node: string, family: 'ipv4' | 'ipv6'): string =>
  lab.topology.nodes.find(({ host }) => host === node)!.addresses[family]!.split('/')[0]

/** Pods reach each other; across the subnets wrapped, within one not; and packets of the exact size pass, greater ones do not. */
export async function encapsulationHolds(t: Test, lab: TestLab, wrappings: readonly Wrapping[]): Promise<void> {
  await t.test('every pair of pods, and of pods and nodes', async t => everyPairReaches(t, lab))

  for (const wrapping of wrappings) {
    const { family, device } = wrapping
    const six = family === 'ipv6'

    await t.test(`${family}: only the other subnet is behind ${device}`, async t => {
      const [near, far] = await Promise.all(['n2', 'n3'].map(node => blockOf(lab, node, six)))
      const routes = await lab.routes('n1')
      t.equal(routes.find(({ dst }) => dst === near)?.dev, 'eth0', `${near} of n2`)
      t.equal(routes.find(({ dst }) => dst === far)?.dev, device, `${far} of n3`)
    })

    await exactMtuHolds(t, lab, wrapping, Math.min(...wrappings.map(each => each.mtu)))
    await outerHeadersHold(t, lab, wrapping)
  }

  await tunnelsSurvive(t, lab, wrappings)
}

/** The daemon starts again, and somebody deletes the devices. */
export async function tunnelsSurvive(
  t: Test,
  lab: TestLab,
  wrappings: readonly Pick<Wrapping, 'device' | 'family'>[],
): Promise<void> {
  await t.test('the daemon starts again: the same devices, no route lost', async t => {
    const devices = () => lab.exec('n1', 'ip', '-o', 'addr')
    const before = await devices()
    const losses = lab.losses('n1')
    await lab.stop('n1', 'margayd')
    lab.startNode('n1')
    await lab.established()
    await eventually('in sync', async () => (await lab.ask('n1', '/v1/status', {}).catch(() => undefined))?.inSync)
    t.equal(await devices(), before)
    t.same(await losses.end(), [])
  })

  await t.test('somebody deletes a device: it is made again, with all that belongs to it', async t => {
    for (const { device, family } of wrappings) {
      await lab.exec('n1', 'ip', 'link', 'del', device)
      await eventually(`${device} works again`, async () => {
        const probe = await lab.tryExec('n1-p1', 'ping', '-n', '-c', '1', '-w', '1', lab.addresses('n3-p1')[family]!)
        return probe.code === 0
      })
    }
    // Pods from before the tunnel may have too great an MTU, and the status says so.
    const { problems } = await lab.ask('n1', '/v1/status', {})
    t.same(
      problems.filter(problem => !/running pods? .*greater MTU/.test(problem)),
      [],
    )
  })
}

/** Packets of the device's MTU pass, greater ones do not. `room`: the MTU that pods have. */
async function exactMtuHolds(t: Test, lab: TestLab, wrapping: Wrapping, room: number): Promise<void> {
  const { family, device, mtu } = wrapping
  const header = family === 'ipv6' ? 48 : 28
  const ping = (from: string, to: string, size: number) =>
    lab.tryExec(from, 'ping', '-n', '-c', '1', '-w', '3', '-M', 'do', '-s', String(size - header), to)

  await t.test(`${family}: the exact MTU passes without fragments, one octet more does not`, async t => {
    const podMtu = Number(/mtu (\d+)/.exec(await lab.exec('n1-p1', 'ip', 'link', 'show', 'eth0'))?.[1])
    t.equal(podMtu, room, 'pods have room for every encapsulation')
    for (const [from, target, size] of [
      ['n1-p1', lab.addresses('n3-p1')[family]!, podMtu],
      ['n1', await addressOn(lab, 'n3', device), mtu],
    ] as const) {
      const exact = await ping(from, target, size)
      t.equal(exact.code, 0, `${size} octets from ${from}\n${exact.stdout}`)
      t.not((await ping(from, target, size + 1)).code, 0, `${size + 1} octets from ${from}`)
    }
  })
}

/** What crosses from n1 to n3 is wrapped from node to node, and nothing of a pod goes bare. */
async function outerHeadersHold(t: Test, lab: TestLab, wrapping: Wrapping): Promise<void> {
  const { family } = wrapping
  const six = family === 'ipv6'

  await t.test(`${family}: the wire carries outer headers of the nodes, and no bare packet of a pod`, async t => {
    const pods = six ? 'net fd00:44::/48' : 'net 10.44.0.0/16'
    const capture = (filter: string, packets: number) =>
      lab.tryExec('gw', 'timeout', '5', 'tcpdump', '-l', '-n', '-v', '-i', 'eth0', '-c', String(packets), filter)
    const [outer, bare, pinged] = await Promise.all([
      capture(wrapping.filter, 2),
      capture(pods, 1),
      eventually('pings under way', async () => {
        const probe = await lab.tryExec('n1-p1', 'ping', '-n', '-c', '10', '-i', '0.3', lab.addresses('n3-p1')[family]!)
        return probe.code === 0 && probe
      }),
    ])
    t.match(pinged.stdout, /10 received/)
    const text = outer.stdout
    t.match(text, wrapping.outer)
    for (const node of ['n1', 'n3']) t.match(text, nodeAddress(lab, node, family), `outer address of ${node}`)
    for (const pod of ['n1-p1', 'n3-p1']) t.match(text, lab.addresses(pod)[family]!, `inner address of ${pod}`)
    t.equal(bare.stdout.trim(), '', 'no bare packet')
  })
}

async function blockOf(lab: TestLab, node: string, six: boolean): Promise<string> {
  const { blocks } = await lab.ask(node, '/v1/status', {})
  return blocks.find(block => block.includes(':') === six)!
}

/** The node's own address on a tunnel. */
async function addressOn(lab: TestLab, node: string, device: string): Promise<string> {
  const text = await lab.exec(node, 'ip', '-o', 'addr', 'show', 'dev', device, 'scope', 'global')
  return /inet6? ([^/]+)\//.exec(text)![1]
}

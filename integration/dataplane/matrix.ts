// Takes one lab through every case, each from the one before by `margayctl apply`, and asks each way between pods the same.

import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { Probe } from '../continuity/kit/probe.ts'
import { eventually, labFile, TestLab } from '../kit/lab.ts'
import { type Case, carries, families, never, type Place, places, wire, wrappingOf } from './cases.ts'
import type { Family } from './kinds.ts'
import { capture, hops, passes, payload, transfer, type Way } from './checks.ts'
import { nameOf, type Row, switchName } from './table.ts'

const pools = { ipv4: { name: 'pods-v4', cidr: '10.44.0.0/16' }, ipv6: { name: 'pods-v6', cidr: 'fd00:44::/48' } }
const from = { node: 'n1', pod: 'n1-p1' }
const ends = { 'same subnet': { node: 'n2', pod: 'n2-p1' }, across: { node: 'n3', pod: 'n3-p1' } } as const

const subnets = {
  left: { ipv4: '10.3.1.0/24', ipv6: 'fd00:3:1::/64' },
  right: { ipv4: '10.3.2.0/24', ipv6: 'fd00:3:2::/64' },
} as const
const placeOf = (a: string, b: string): Place => ((a === 'n3') === (b === 'n3') ? 'same subnet' : 'across')

export interface Options {
  /** The first without tunnels. */
  readonly cases: readonly Case[]
  /** Part of the lab's name. */
  readonly tag: string
  /** Packets without tunnels are asked about as well. */
  readonly bare: boolean
  /** Packets a second under which the mode changes, of each flow. */
  readonly rate: number
  /** What else has to be true of a case, while the lab has it. */
  readonly then?: (t: Test, lab: TestLab, each: Case, probe: Probe | undefined) => Promise<void>
}

/** Rows of the table. The first case has no tunnels, so that its pods get the whole MTU of the wire and each path's own limit is met. */
export async function matrix(t: Test, { cases, tag, bare, rate, then }: Options): Promise<readonly Row[]> {
  const text = readFileSync(labFile('two-subnets'), 'utf8')
    .replaceAll('    pods: 2\n', '')
    .replaceAll(', vxlanMode: CrossSubnet', '')
  const lab = await TestLab.up(t, { text }, tag)
  for (const { node, pod } of [from, ...Object.values(ends)]) await lab.addPod(node, pod)
  await tellWays(lab)
  const sent = payload(t)
  const rows: Row[] = []
  let probe: Probe | undefined
  let before = never
  for (const each of cases) {
    const measured = await probe?.measure()
    if (each !== never) await apply(lab, each)
    await settled(lab, each)
    const losses = await measured?.()
    if (losses) {
      const name = switchName(before, each)
      const lost = Math.max(...losses.map(flow => flow.lost))
      rows.push({ name, cells: [t.equal(lost, 0, `${name}: no packet is lost`) ? '0' : '✘'] })
    }
    before = each
    if (each === never) {
      probe = await Probe.start(t, lab, [from.pod, ends.across.pod], rate)
      if (!bare) continue
    }
    const ways = families
      .filter(family => carries(each, family))
      .flatMap(family => places.map(place => ({ family, place })))
    await t.test(`${each.wrapping?.title ?? 'none'}, ${each.mode}`, { jobs: ways.length }, async t => {
      const cells = ways.map(({ family, place }) => {
        const way: Way = {
          family,
          from,
          to: ends[place],
          wrapping: wrappingOf(each, place),
          ...(place === 'across' && { router: 'gw' }),
        }
        const name = nameOf(each, family, place)
        return t.test(name, { buffered: true }, async t => {
          rows.push({ name, cells: await cellsOf(t, lab, way, sent) })
        })
      })
      await Promise.all(cells)
      await then?.(t, lab, each, probe)
    })
  }
  return rows
}

async function cellsOf(
  t: Test,
  lab: TestLab,
  way: Way,
  sent: { readonly file: string; readonly hash: string },
): Promise<readonly string[]> {
  const { family, wrapping, from, to, router } = way
  const mark = (ok: boolean, text: string): string => (ok ? `✔ ${text}`.trim() : '✘')

  const whole = t.equal(await transfer(lab, way, sent.file), sent.hash, 'a transfer by TCP arrives whole')

  const largest = wire - (wrapping?.overhead[family] ?? 0)
  const exact = await eventually(`${largest} octets pass`, () => passes(lab, way, largest)).catch(() => false)
  const narrow =
    t.ok(exact, `${largest} octets pass unbroken`) && t.notOk(await passes(lab, way, largest + 1), 'one more does not')

  const expected = [from.node, ...(wrapping === undefined && router !== undefined ? [router] : []), to.node, to.pod]
  // Again: a kernel sends few ICMP errors a second.
  const met = await eventually(`the hops ${expected.join(' ')}`, async () => {
    const names = await hops(lab, way)
    return names.join(' ') === expected.join(' ') && names
  }).catch(() => hops(lab, way))
  const hopsRight = t.same(met, expected, 'a traceroute shows each hop')

  const { wanted, others, ends, showsPods } = await capture(lab, way)
  const seen =
    t.match(wanted, wrapping?.outer ?? /\S/, 'on the wire as it should be') &&
    t.ok(
      ends.every(end => wanted.includes(end)),
      `from and to ${ends.join(' and ')}\n${wanted}`,
    ) &&
    t.equal(showsPods, wrapping?.encrypted !== true, 'who talks within can be read, unless it is encrypted') &&
    t.equal(others.trim(), '', 'and in no other way')

  return [
    mark(whole, ''),
    mark(narrow, String(largest)),
    mark(hopsRight, expected.slice(0, -1).concat('pod').join(', ')),
    mark(seen, wrapping ? `${wrapping.title} between the nodes` : 'as the pod sent it'),
  ]
}

/**
 * Without tunnels the router has to know the way to each node's pods, and a node to the other subnet: a default route is not enough for
 * what BGP learns.
 */
async function tellWays(lab: TestLab): Promise<void> {
  const { nodes, routers } = lab.topology
  const gateway = routers[0].host
  for (const { host, addresses } of nodes) {
    const { blocks } = await lab.ask(host, '/v1/status', {})
    for (const block of blocks) {
      const address = addresses[block.includes(':') ? 'ipv6' : 'ipv4'] ?? ''
      await lab.exec(gateway, 'ip', 'route', 'replace', block, 'via', address.split('/')[0])
    }
    const other = placeOf('n1', host) === 'across' ? subnets.left : subnets.right
    const { gateway: via } = lab.topology.hosts.find(({ name }) => name === host) ?? {}
    for (const family of families)
      await lab.exec(host, 'ip', 'route', 'replace', other[family], 'via', via?.[family] ?? '')
  }
}

async function apply(lab: TestLab, each: Case): Promise<void> {
  const documents = families.map(family => {
    const { name, cidr } = pools[family]
    const mode = carries(each, family) && each.wrapping ? `, ${each.wrapping.field}: ${each.mode}` : ''
    return `---\napiVersion: margay.io/v1\nkind: IPPool\nmetadata: { name: ${name} }\nspec: { cidr: '${cidr}'${mode} }\n`
  })
  await lab.apply('n1', documents.join(''))
}

/** Until every node's routes to the others lead where the case wants them, and no packet size is remembered from before. */
async function settled(lab: TestLab, each: Case): Promise<void> {
  const blocks = new Map<string, readonly string[]>()
  for (const node of lab.nodes) blocks.set(node, (await lab.ask(node, '/v1/status', {})).blocks)
  const pairs = lab.nodes.flatMap(a => lab.nodes.filter(b => b !== a).map(b => [a, b] as const))
  for (const [a, b] of pairs) {
    const wanted = (blocks.get(b) ?? []).map(block => {
      const family: Family = block.includes(':') ? 'ipv6' : 'ipv4'
      const wrapping = carries(each, family) ? wrappingOf(each, placeOf(a, b)) : undefined
      return { block, device: wrapping?.device(family) ?? 'eth0' }
    })
    await eventually(`${a} sends to ${b} in the new way`, async () => {
      const routes = await lab.routes(a)
      return wanted.every(({ block, device }) => routes.find(({ dst }) => dst === block)?.dev === device)
    })
  }
  for (const node of lab.nodes)
    await eventually(
      `${node} has done with it`,
      async () => (await lab.ask(node, '/v1/status', {})).waits.length === 0,
      90,
    )
  for (const host of [from, ...Object.values(ends)].flatMap(({ node, pod }) => [node, pod]))
    for (const family of ['-4', '-6']) await lab.exec(host, 'ip', family, 'route', 'flush', 'cache')
}

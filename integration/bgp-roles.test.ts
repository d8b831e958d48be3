// Roles (RFC 9234) and confederations (RFC 5065) with a real BIRD 2 and a real FRR.

import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import type { SimpleConfig, SimplePeer } from '../bgp/simple-config.ts'
import { type Host, Lan } from './interop/kit/lan.ts'
import { BgpPair, BIRDS, OURS, SpeakerProcess, within } from './kit/bgp-pair.ts'

const child = fileURLToPath(new URL('kit/bgp-child.ts', import.meta.url))
const confederation = { identifier: 100, members: [65001, 65002] }

function bird(more: string, attributes = '', neighbor = 65001): string {
  return `
protocol static four { ipv4; route 10.2.0.0/24 blackhole; }
protocol bgp margay {
  local ${BIRDS.ipv4} as 65002;
  neighbor ${OURS.ipv4} as ${neighbor};
  connect delay time 1; error wait time 1, 2;
  ${more}
  ipv4 { import all; export filter { if source != RTS_STATIC then reject; ${attributes} accept; }; };
}
`
}

async function withBird(t: Test, config: string, peer: Partial<SimplePeer>, more: Partial<SimpleConfig> = {}) {
  const pair = BgpPair.make(t)
  pair.startBird(config)
  const remote = { address: BIRDS.ipv4, remoteAs: 65002, connectRetry: 1, ...peer }
  const speaker = await pair.startSpeaker({ asn: 65001, routerId: OURS.ipv4, peers: { remote }, ...more })
  await speaker.call({ call: 'announce', list: [{ prefix: '10.1.0.0/24', localPref: 222, med: 7 }] })
  const text = async (holds: RegExp) => {
    let seen = ''
    await within(15, async () => holds.test((seen = await pair.birdc('show', 'route', 'all', 'for', '10.1.0.0/24'))))
    return seen
  }
  return { speaker, text }
}

/** The route that the neighbour announces, once it is there. */
async function routeOf(speaker: SpeakerProcess, prefix: string) {
  const find = async () => (await speaker.state()).best.find(row => row.prefix === prefix)
  await within(20, async () => (await find()) !== undefined)
  return find()
}

t.test('BIRD: roles that go together, and the mark on what it sends and gets', async t => {
  const down = await withBird(t, bird('local role provider; require roles on;'), { role: 'customer', strictRole: true })
  t.match(await routeOf(down.speaker, '10.2.0.0/24'), { onlyToCustomer: 65002 }, 'BIRD marks it')
  t.match((await down.speaker.state()).peers, [{ state: 'Established', peerRole: 'provider' }])

  const up = await withBird(t, bird('local role customer;'), { role: 'provider' })
  t.match(await up.text(/otc/), /BGP\.otc: 65001\n/, 'and so do we')
})

t.test('BIRD: roles that do not go together', async t => {
  const { speaker } = await withBird(t, bird('local role provider;'), { role: 'provider', passive: true })
  const isTold = async () => {
    const [{ lastError }] = (await speaker.state()).peers
    return /Role Mismatch|its role is provider, but ours is provider/.test(lastError ?? '')
  }
  t.ok(await within(20, isTold), String((await speaker.state()).peers[0].lastError))
})

t.test('BIRD: another member of the confederation, and outside of it', async t => {
  const member = bird('confederation 100; confederation member on;', 'bgp_local_pref = 333; bgp_med = 9;')
  const inside = await withBird(t, member, {}, { confederation })
  t.match(await routeOf(inside.speaker, '10.2.0.0/24'), { asPath: '(65002)', localPref: 333, med: 9 })
  const text = await inside.text(/as_path/)
  t.match(text, /BGP\.as_path: \(65001\)\n/)
  t.match(text, /BGP\.local_pref: 222\n/)
  t.match(text, /BGP\.med: 7\n/)

  const outside = await withBird(t, bird('', '', 100), {}, { confederation: { identifier: 100, members: [65003] } })
  t.match(await routeOf(outside.speaker, '10.2.0.0/24'), { asPath: '65002' })
  t.match(await outside.text(/as_path/), /BGP\.as_path: 100\n/)
})

// ---- FRR -------------------------------------------------------------------------------------------------------------

async function startFrr(host: Host, bgp: string): Promise<void> {
  const { directory } = host
  const common = (role: string) => {
    const files = ['-f', `${directory}/${role}.conf`, '-i', `${directory}/${role}.pid`, '-z', `${directory}/zserv.api`]
    return [`/usr/lib/frr/${role}`, ...files, '--vty_socket', directory, '-A', '127.0.0.1', '--log', 'stdout']
  }
  host.file('vtysh.conf', 'no service integrated-vtysh-config\n')
  host.file('zebra.conf', 'frr defaults datacenter\n')
  host.file('bgpd.conf', `frr defaults datacenter\n${bgp}`)
  host.spawn('zebra', common('zebra'))
  while (!existsSync(join(directory, 'zserv.api'))) await sleep(20)
  host.spawn('frr', [...common('bgpd'), '-n', '-p', '179'])
}

function vtysh(host: Host, command: string): Promise<string> {
  return host.exec('vtysh', '--config_dir', host.directory, '--vty_socket', host.directory, '-d', 'bgpd', '-c', command)
}

async function startSpeaker(t: Test, host: Host, config: SimpleConfig): Promise<SpeakerProcess> {
  const execArgv = ['netns', 'exec', host.netns, process.execPath]
  const speaker = new SpeakerProcess(fork(child, { execPath: 'ip', execArgv, serialization: 'advanced' }))
  t.teardown(() => speaker.kill())
  await speaker.call({ call: 'start', config })
  return speaker
}

/** FRR at `theirs` with these lines for us at `ours`, and for a speaker of AS 400 at `third`. */
function frr({ ours, third }: Lan['hosts'], asn: number, remoteAs: number, ...lines: readonly string[]): string {
  const neighbours = [`neighbor ${ours.ipv4} remote-as ${remoteAs}`, `neighbor ${third.ipv4} remote-as 400`]
  const options = ['no bgp ebgp-requires-policy', 'no bgp network import-check', 'timers bgp 3 9']
  const all = [
    `bgp router-id 10.99.0.2`,
    ...options,
    ...neighbours,
    ...lines.map(line => line.replace('US', ours.ipv4)),
  ]
  return [`router bgp ${asn}`, ...all, ' address-family ipv4 unicast', '  network 10.2.0.0/24', ''].join('\n')
}

t.test('FRR: another member of the confederation, with the outside behind it', async t => {
  const lan = Lan.make(t)
  const { ours, theirs, third } = lan.hosts
  await startFrr(
    theirs,
    frr(lan.hosts, 65002, 65001, 'bgp confederation identifier 100', 'bgp confederation peers 65001'),
  )
  const peers = { frr: { address: theirs.ipv4, remoteAs: 65002, connectRetry: 1 } }
  const speaker = await startSpeaker(t, ours, { asn: 65001, routerId: ours.ipv4, confederation, peers })
  const outside = { address: theirs.ipv4, remoteAs: 100, connectRetry: 1 }
  const beyond = await startSpeaker(t, third, { asn: 400, routerId: third.ipv4, peers: { frr: outside } })
  await speaker.call({ call: 'announce', list: [{ prefix: '10.1.0.0/24', localPref: 222, med: 7 }] })
  await beyond.call({ call: 'announce', list: [{ prefix: '10.4.0.0/24' }] })

  t.match(await routeOf(speaker, '10.2.0.0/24'), { asPath: '(65002)', nextHop: theirs.ipv4 })
  t.match(await routeOf(speaker, '10.4.0.0/24'), { asPath: '(65002) 400', nextHop: third.ipv4 })
  t.match(await routeOf(beyond, '10.1.0.0/24'), { asPath: '100' })
  const seen = JSON.parse(await vtysh(theirs, 'show bgp ipv4 unicast 10.1.0.0/24 json'))
  t.match(seen.paths, [{ aspath: { string: '(65001)' }, locPrf: 222, metric: 7 }])
})

t.test('FRR: roles', async t => {
  const lan = Lan.make(t)
  const { ours, theirs } = lan.hosts
  await startFrr(theirs, frr(lan.hosts, 65002, 65001, 'neighbor US local-role provider strict-mode'))
  const config = (peer: Partial<SimplePeer>): SimpleConfig => {
    const remote = { address: theirs.ipv4, remoteAs: 65002, connectRetry: 1, ...peer }
    return { asn: 65001, routerId: ours.ipv4, peers: { frr: remote } }
  }
  const speaker = await startSpeaker(t, ours, config({ role: 'customer', strictRole: true }))
  t.match(await routeOf(speaker, '10.2.0.0/24'), { onlyToCustomer: 65002 }, 'FRR marks it')
  t.match((await speaker.state()).peers, [{ peerRole: 'provider' }])
  await speaker.call({ call: 'configure', config: config({ role: 'peer' }) })
  const isTold = async () => /role/i.test((await speaker.state()).peers[0].lastError ?? '')
  t.ok(await within(20, isTold), String((await speaker.state()).peers[0].lastError))
})

// Keys of TCP-AO (RFC 5925): which configurations are refused, which changes keep the session.

import t from 'tap'
import { Simulation } from '../transport/simulation.ts'
import type { ListenRange, PeerConfig, TcpAoKey } from '../types.ts'
import { checkConfig } from './check.ts'
import { preferredKey } from './tcp-ao.ts'
import { config, established, speaker } from './test-speakers.ts'

const [A, B] = ['10.0.0.1', '10.0.0.2']
const one: TcpAoKey = { sendId: 1, receiveId: 11, algorithm: 'hmac-sha1', secret: 'hunter2' }
const two: TcpAoKey = { ...one, sendId: 2, receiveId: 12, secret: 'hunter3' }

function refused(peer: Partial<PeerConfig>, dynamic: readonly ListenRange[] = []): string[] {
  const issues = checkConfig({ ...config(A, 65001, { [B]: { remoteAs: 65002, ...peer } }), dynamic })
  t.notMatch(JSON.stringify(issues), /hunter/, 'no secret is shown')
  return issues.map(({ peer: name, field, reason, fix }) => `${name} ${field}: ${reason}; ${fix}`)
}

for (const [name, keys, says] of [
  ['one', [one], []],
  ['two, and a short code', [one, { ...two, maclen: 4, preferred: true }], []],
  ['none', [], [/tcpAo: there is no key in it; give one/]],
  ['an id too high', [{ ...one, sendId: 256 }], [/tcpAo\[0\]\.sendId: it is no id of a key.*give 0 to 255/]],
  ['no id', [{ ...one, receiveId: 1.5 }], [/tcpAo\[0\]\.receiveId/]],
  ['the same SendID', [one, { ...two, sendId: 1 }], [/tcpAo\[1\]\.sendId: another key of the peer has it/]],
  ['the same RecvID', [one, { ...two, receiveId: 11 }], [/tcpAo\[1\]\.receiveId: another key of the peer has it/]],
  ['an empty secret', [{ ...one, secret: '' }], [/tcpAo\[0\]\.secret: the kernel takes no such key/]],
  ['a long secret', [{ ...one, secret: 'hunter2'.repeat(12) }], [/1 to 80 octets/]],
  ['a code too long', [{ ...one, maclen: 17 }], [/tcpAo\[0\]\.maclen: .*give 4 to 16 octets, or leave it out for 12/]],
  ['a code too short', [{ ...one, maclen: 3 }], [/maclen/]],
  ['an odd algorithm', [{ ...one, algorithm: 'md5' as 'hmac-sha1' }], [/use hmac-sha1, aes-128-cmac, hmac-sha256/]],
  [
    'two preferred',
    [
      { ...one, preferred: true },
      { ...two, preferred: true },
    ],
    [/more than one key is preferred/],
  ],
] as const) {
  t.test(name, async t => {
    const found = refused({ tcpAo: keys })
    t.equal(found.length, says.length, found.join())
    for (const [i, text] of says.entries()) t.match(found[i], text)
  })
}

t.test('with TCP-MD5, at one address twice, or inside a range: refused', async t => {
  t.match(refused({ tcpAo: [one], secret: 'hunter2' }), [/tcpAo: .*TCP-MD5.*remove secret, or tcpAo/])
  const twice = (tcpAo: readonly TcpAoKey[]) => {
    const peers = new Map([
      ['a', { remoteAs: 65002, address: B, localAddress: A, tcpAo: [one] }],
      ['b', { remoteAs: 65002, address: B, localAddress: '10.0.0.9', tcpAo }],
    ])
    return checkConfig({ ...config(A, 65001, {}), peers })
  }
  t.match(twice([two]), [{ peer: 'b', field: 'tcpAo', fix: 'give both the same' }])
  t.same(twice([one]), [])

  const range = (more: object): ListenRange => ({
    name: 'rack',
    prefix: '10.0.0.0/24',
    template: { remoteAs: 65002, ...more },
  })
  const inside = /rack template\.(tcpAo|secret): peer "10.0.0.2" is inside.*leave that one out of the range/
  t.match(refused({}, [range({ tcpAo: [one] })]), [inside])
  t.match(refused({ tcpAo: [two] }, [range({ tcpAo: [one] })]), [inside])
  t.match(refused({ tcpAo: [two] }, [range({ secret: 'x' })]), [inside])
  t.same(refused({ tcpAo: [two] }, [range({})]), [])
  const smaller = { ...range({ tcpAo: [two] }), name: 'in', prefix: '10.0.0.128/25' }
  t.match(
    refused({ address: '10.0.1.1' }, [range({ tcpAo: [one] }), smaller]),
    [/rack template\.tcpAo: range "in" is inside/],
    'the outer one only',
  )
})

t.test('the first key is preferred, unless another is', async t => {
  t.equal(preferredKey([one, two]), one)
  t.match(preferredKey([one, { ...two, preferred: true }]), { sendId: 2 })
  t.equal(preferredKey([]), undefined)
})

t.test('keys come and go without a new session; what an id means does not change under it', async t => {
  const net = new Simulation(1)
  const keyed = (tcpAo: readonly TcpAoKey[] | undefined) => ({ [B]: { remoteAs: 65002, tcpAo } })
  const a = speaker(net, A, 65001, keyed([one]))
  const b = speaker(net, B, 65002, { [A]: 65001 })
  net.runUntil(() => established([a, B], [b, A]), 20)
  let flaps = 0
  for (const [name, keys, renews] of [
    ['another key', [one, two], false],
    ['the other order', [two, one], false],
    ['the other preferred', [two, { ...one, preferred: true }], false],
    ['the default, written down', [two, { ...one, maclen: 12 }], false],
    ['the old one goes', [two], false],
    ['one goes as another comes', [one], false],
    ['another secret', [{ ...one, secret: 'hunter4' }], true],
    ['another algorithm', [{ ...one, secret: 'hunter4', algorithm: 'aes-128-cmac' }], true],
    ['another length', [{ ...one, secret: 'hunter4', algorithm: 'aes-128-cmac', maclen: 16 }], true],
    ['half of the ids', [{ ...one, receiveId: 99 }], true],
    ['none any more', undefined, true],
    ['and again', [one], true],
  ] as const) {
    a.configure(config(A, 65001, keyed(keys)))
    net.run(1)
    net.runUntil(() => established([a, B], [b, A]), 60)
    flaps += renews ? 1 : 0
    t.equal(a.peer(B).flaps, flaps, name)
  }
})

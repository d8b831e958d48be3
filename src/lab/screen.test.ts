import t from 'tap'
import type { PeerSummary } from '../api/contract.ts'
import type { Paint } from './output.ts'
import type { Party, Probe } from './reach.ts'
import { lossText, matrixText, sessionsText } from './screen.ts'

const plain: Paint = (_, text) => text
const party = (name: string, role: Party['role'], ipv4: string, ipv6?: string): Party => ({
  name,
  role,
  netns: name,
  ipv4,
  ipv6,
})
const probe = (from: string, to: string, family: 4 | 6, ok: boolean): Probe => ({ from, to, family, address: to, ok })

t.test('the matrix tells both families, one of them, or none', async t => {
  const [a, b] = [party('a', 'pod', '10.42.0.1', 'fd00::1'), party('b', 'pod', '10.42.0.2', 'fd00::2')]
  const node = party('n1', 'node', '10.1.1.11')
  const probes = [
    probe('a', 'b', 4, true),
    probe('a', 'b', 6, true),
    probe('a', 'n1', 4, true),
    probe('b', 'a', 4, true),
    probe('b', 'a', 6, false),
    probe('b', 'n1', 4, false),
  ]
  t.equal(
    matrixText({ sources: [a, b], targets: [a, b, node] }, probes, plain),
    [
      '                             1  2  3',
      '  1  a   10.42.0.1  fd00::1  ·  ●  ●',
      '  2  b   10.42.0.2  fd00::2  ◐  ·  ✘',
      '  3  n1  10.1.1.11',
    ].join('\n'),
  )
  t.same(lossText(probes), ['2 of 6 pings had no answer:', '  b to a (a)', '  b to n1 (n1)'])
  t.same(lossText(probes.filter(({ ok }) => ok)), [])
})

t.test('sessions name their node once', async t => {
  const peer = (name: string, state: string): PeerSummary =>
    ({ name, address: '10.1.1.1', remoteAs: 64601, state, prefixesAccepted: 12, prefixesSent: 2 }) as PeerSummary
  const text = sessionsText(
    [{ node: 'r1n1', asn: 65011, peers: [peer('tor', 'Established'), peer('other', 'Active')] }],
    plain,
  )
  t.equal(
    text,
    [
      '  NODE  AS     PEER   ADDRESS   PEER AS  STATE        IN  OUT',
      '  r1n1  65011  tor    10.1.1.1  64601    Established  12  2',
      '               other  10.1.1.1  64601    Active       12  2',
    ].join('\n'),
  )
})

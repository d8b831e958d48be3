// What the generator sends is what it says it is, and its checker sees whatever is not as it shall be.

import t from 'tap'
import type { Family } from '../../bgp/types.ts'
import { checkHeader, HEADER_LENGTH, MAX_MESSAGE, messageLength } from '../../bgp/wire/header.ts'
import { UpdateDecoder } from '../../bgp/wire/update.ts'
import { all, type Shape } from '../scenarios/scenario.ts'
import { Checker } from './check.ts'
import { Inbox } from './inbox.ts'
import { makeTable } from './table.ts'
import { makeTraffic } from './traffic.ts'

const peers = [
  { prefixes: 1_500, sets: 200, receives: false },
  { prefixes: 500, sets: 100, receives: true },
]
const shape = (family: Family, kind: Shape['kind'] = 'ebgp'): Shape => ({
  family,
  kind,
  peers,
  phases: [
    { row: 'announce', changes: all(peers, 'announce') },
    { row: 'withdraw', changes: all(peers, 'withdraw') },
  ],
})

/** A receiver that is to get what peer 0 sends; `octets` come in pieces of odd lengths. */
function receiver(of: Shape) {
  const traffic = makeTraffic(of, true)
  const inbox = new Inbox(1 << 16)
  const checker = new Checker(traffic.expected, inbox, traffic.slices[1])
  const take = (octets: Uint8Array): void => {
    for (let at = 0; at < octets.length;) {
      const room = inbox.room()
      const length = Math.min(1 + ((at * 7) % 6_000), octets.length - at)
      room.set(octets.subarray(at, at + length))
      inbox.received(length, room)
      at += length
    }
    checker.read()
  }
  const sent = (phase: number): Uint8Array => traffic.phases[phase].sends.get(0)!.slice()
  return { traffic, inbox, checker, take, sent }
}

for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
  t.test(`${family}: all that was sent is all that is expected`, async t => {
    const { traffic, inbox, checker, take, sent } = receiver(shape(family))
    for (const [n, phase] of traffic.phases.entries()) {
      checker.aim(phase.goal)
      t.equal(checker.reached, undefined)
      t.equal(checker.missing, 1_500, 'its own need not come back')
      take(sent(n))
      t.same(checker.faults, [])
      t.type(checker.reached, 'number', checker.example())
      t.equal(inbox.end, phase.least.get(0), 'and nobody packs it better')
    }
  })

  t.test(`${family}: the speaker's own decoder finds nothing wrong with what is sent`, async t => {
    const { phases } = makeTraffic(shape(family), false)
    for (const { sends } of phases) {
      const octets = sends.get(0)!
      const decoder = new UpdateDecoder()
      let prefixes = 0
      for (let at = 0; at < octets.length; at += messageLength(octets, at)) {
        const fault = checkHeader(octets, at, MAX_MESSAGE)
        if (fault) t.same(fault, undefined)
        const end = at + messageLength(octets, at)
        const verdict = decoder.decode(octets, at + HEADER_LENGTH, end, { kind: 'ebgp', fourOctetAs: true })
        if (verdict.do !== 'accept') t.same(verdict, { do: 'accept' })
        prefixes += decoder.prefixes
      }
      t.equal(prefixes, 1_500)
    }
  })
}

t.test('the checker sees', async t => {
  for (const kind of ['ebgp', 'reflector'] as const) {
    const one = receiver(shape('ipv4-unicast', kind))
    one.checker.aim(one.traffic.phases[0].goal)
    const octets = one.sent(0)
    // The last octet is of a prefix; take away the last message altogether.
    let last = 0
    for (let at = 0; at < octets.length; at += messageLength(octets, at)) last = at
    one.take(octets.subarray(0, last))
    t.equal(one.checker.reached, undefined, `${kind}: a message that did not come`)
    t.ok(one.checker.missing > 0)
    t.match(one.checker.example(), /shall be there with set \d+ and is absent/)
  }

  const other = receiver(shape('ipv4-unicast'))
  other.checker.aim(other.traffic.phases[0].goal)
  const octets = other.sent(0)
  octets[HEADER_LENGTH + 4 + 3] ^= 1 // ORIGIN of the first message
  other.take(octets)
  t.match(other.checker.faults[0], /never sent|of another/, 'another attribute')
  t.equal(other.checker.reached, undefined)

  const again = receiver(shape('ipv6-unicast'))
  again.checker.aim(again.traffic.phases[0].goal)
  const hops = again.sent(0)
  hops[HEADER_LENGTH + 4 + 4 + 4 + 15] ^= 1 // last octet of the next hop in the first MP_REACH_NLRI
  again.take(hops)
  t.match(again.checker.faults[0], /wrong next hop/)
})

t.test('of several paths of a prefix each has to come, with the attributes of its sender', async t => {
  const sender = { prefixes: 300, sets: 50, receives: false }
  const receiver = { prefixes: 0, sets: 0, receives: true }
  const two = [sender, sender, receiver]
  const phases = [{ row: 'announce', changes: all(two, 'announce') }]
  const { expected, phases: sent } = makeTraffic(
    { family: 'ipv4-unicast', kind: 'ebgp', peers: two, hasSameTables: true, hasPaths: true, phases },
    true,
  )
  const inbox = new Inbox(1 << 16)
  const checker = new Checker(expected, inbox)
  checker.aim(sent[0].goal)
  t.equal(checker.missing, 300)
  for (const n of [0, 1]) {
    t.equal(checker.reached, undefined)
    const octets = withPathIds(sent[0].sends.get(n)!, n + 1)
    const room = inbox.room()
    room.set(octets)
    inbox.received(octets.length, room)
    checker.read()
  }
  t.same(checker.faults, [])
  t.type(checker.reached, 'number', checker.example())
})

/** The same UPDATEs with a path identifier before each prefix. */
function withPathIds(octets: Uint8Array, id: number): Uint8Array {
  const out: number[] = []
  for (let at = 0; at < octets.length;) {
    const end = at + messageLength(octets, at)
    const start = out.length
    const nlri = at + HEADER_LENGTH + 4 + octets[at + HEADER_LENGTH + 2] * 256 + octets[at + HEADER_LENGTH + 3]
    out.push(...octets.subarray(at, nlri))
    for (let from = nlri; from < end;) {
      const to = from + 1 + ((octets[from] + 7) >>> 3)
      out.push(0, 0, 0, id, ...octets.subarray(from, to))
      from = to
    }
    out[start + 16] = (out.length - start) >> 8
    out[start + 17] = (out.length - start) & 255
    at = end
  }
  return Uint8Array.from(out)
}

t.test('a table is spread and has nothing twice', async t => {
  const { high, low, lengths, sets, length } = makeTable('ipv4-unicast', [{ prefixes: 20_000, sets: 3_000 }])
  t.equal(new Set(Array.from({ length }, (_, i) => `${high[i]}/${low[i]}/${lengths[i]}`)).size, 20_000)
  t.ok(new Set(Array.from(high, one => one >>> 24)).size > 150, 'in many of the /8')
  const share = lengths.filter(each => each === 24).length / length
  t.ok(share > 0.5 && share < 0.7, `${share} are /24`)
  t.equal(new Set(sets).size, 3_000, 'every set has a prefix')
})

// A full table through the RIB: UPDATE octets in, decision, one update group, UPDATE octets out, 64 KiB a turn.
//
//     node bench/rib-full-table.ts [prefixes] [attribute sets] [peers that send the same table] [peers that read] [paths]
//
// Prints wall and CPU time, the longest turn and the memory added; then the same for withdrawing everything. Runs
// without sockets, so that it shows the tables alone. `paths` (all, ecmp, or a number: the best N) reads with ADD-PATH. Run
// it twice and compare ratios, not times.

import { acceptAll, type PeerId } from '../bgp/types.ts'
import type { PeerTraits } from '../bgp/rib/port.ts'
import { createFamily } from '../bgp/groups/family.ts'
import type { ChunkSink } from '../bgp/groups/port.ts'
import { asPath, communities, origin, putAttribute, nextHop } from '../bgp/wire/attributes.ts'
import { HEADER_LENGTH, messageLength, putMessageHeader, UPDATE } from '../bgp/wire/header.ts'
import { UpdateDecoder } from '../bgp/wire/update.ts'

const [prefixes, sets, senders, readers] = [1_000_000, 150_000, 1, 1].map((value, i) =>
  Number(process.argv[2 + i] ?? value),
)
const selection = process.argv[6]
const paths = selection === 'all' || selection === 'ecmp' ? selection : selection && { best: Number(selection) }
const TURN = 65536

/** UPDATEs that announce the table, each set's prefixes in as few messages as fit. */
function announcements(): Uint8Array {
  const out = new Uint8Array(prefixes * 5 + sets * 110 + 65536)
  let at = 0
  let prefix = 0
  for (let set = 0; set < sets; set++) {
    const end = Math.floor(((set + 1) * prefixes) / sets)
    while (prefix < end) {
      const start = at
      at += HEADER_LENGTH + 4
      const asns = [65001, 3356, ...Array.from({ length: set % 4 }, (_, i) => 1000 + ((set * 7 + i * 13) % 60000)), set]
      at = putAttribute(out, at, origin, origin.encode('igp'))
      at = putAttribute(out, at, asPath, asPath.encode([{ type: 'sequence', asns: asns.map(asn => asn || 1) }]))
      at = putAttribute(out, at, nextHop, Uint8Array.of(192, 0, 2, 1))
      at = putAttribute(out, at, communities, communities.encode(['3356:3', `3356:${set % 2000}`]))
      const length = at - start - HEADER_LENGTH - 4
      out[start + HEADER_LENGTH + 2] = length >> 8
      out[start + HEADER_LENGTH + 3] = length
      for (; prefix < end && at - start < 4090; prefix++) {
        const address = 0x01000000 + prefix * 256
        out[at++] = 24
        out[at++] = address >>> 24
        out[at++] = address >>> 16
        out[at++] = address >>> 8
      }
      putMessageHeader(out, start, UPDATE, at - start)
    }
  }
  return out.slice(0, at)
}

function traits(n: number): PeerTraits {
  return {
    name: `peer-${n}`,
    kind: 'ebgp',
    localAs: 64999,
    asBehind: 0,
    remoteAs: 65001 + n,
    routerId: n + 1,
    address: Uint8Array.of(192, 0, 2, n + 1),
    localAddress: Uint8Array.of(192, 0, 2, 254),
    reflectorClient: false,
    nextHop: 'auto',
    nextHopSelf: Uint8Array.of(192, 0, 2, 254),
    fourOctetAs: true,
    extendedMessages: false,
    enhancedRefresh: false,
    longLived: false,
    pathIds: false,
    pathIdsSent: paths !== undefined,
    import: acceptAll,
    export: acceptAll,
    gracefulShutdown: false,
    sendBlackhole: false,
    clientToClient: true,
    sendLongLived: false,
    asOverride: false,
    privateAs: 'keep',
    paths: paths || undefined,
  }
}

const input = announcements()
const { rib, out, usage } = createFamily({
  family: 'ipv4-unicast',
  seed: 1,
  asn: 64999,
  routerId: 1,
  clusterId: 1,
})
const decoder = new UpdateDecoder()
const sink = {
  octets: 0,
  messages: 0,
  chunk(octets: Uint8Array, messages: number, done: () => void) {
    this.octets += octets.length
    this.messages += messages
    done()
  },
} satisfies ChunkSink & { octets: number; messages: number }
for (let n = 0; n < senders + readers; n++) rib.peerUp(n as PeerId, traits(n))

/** Handles whole messages from `from` on, about 64 KiB; returns where it stopped. */
function receive(peer: PeerId, from: number): number {
  let at = from
  while (at < input.length && at - from < TURN) {
    const end = at + messageLength(input, at)
    decoder.decode(input, at + HEADER_LENGTH, end, { kind: 'ebgp', fourOctetAs: true })
    const hop = input.subarray(decoder.nextHopFrom, decoder.nextHopTo)
    const set = rib.intern(decoder.attributes, 0, decoder.attributesTo, hop)
    rib.announce(peer, input, decoder.announcedFrom, decoder.announcedTo, set)
    rib.release(set)
    at = end
  }
  return at
}

function withdraw(peer: PeerId, from: number): number {
  let at = from
  while (at < input.length && at - from < TURN) {
    const end = at + messageLength(input, at)
    decoder.decode(input, at + HEADER_LENGTH, end, { kind: 'ebgp', fourOctetAs: true })
    rib.withdraw(peer, input, decoder.announcedFrom, decoder.announcedTo)
    at = end
  }
  return at
}

function turn(): boolean {
  let more = rib.work(16384)
  for (const peer of out.takeReady()) for (let pulls = 0; pulls < 8 && out.pull(peer, sink); pulls++) more = true
  for (let n = 0; n < senders + readers; n++) {
    for (let pulls = 0; pulls < 8 && out.pull(n as PeerId, sink); pulls++) more = true
  }
  return more
}

function measure(name: string, feed: (peer: PeerId, from: number) => number): void {
  const cpu = process.cpuUsage()
  const start = performance.now()
  let longest = 0
  const timed = <T>(step: () => T): T => {
    const before = performance.now()
    const result = step()
    longest = Math.max(longest, performance.now() - before)
    return result
  }
  for (let n = 0; n < senders; n++) {
    for (let at = 0; at < input.length;) {
      at = timed(() => {
        const next = feed(n as PeerId, at)
        turn()
        return next
      })
    }
  }
  while (timed(turn));
  const wall = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  const added = (process.memoryUsage().rss - rss) / 1e6
  console.log(
    `${name.padEnd(9)} wall ${wall.toFixed(0)} ms  cpu ${((user + system) / 1000).toFixed(0)} ms  longest turn ` +
      `${longest.toFixed(1)} ms  RSS +${added.toFixed(0)} MB  out ${(sink.octets / 1e6).toFixed(1)} MB in ${sink.messages} messages`,
  )
  console.log(`          ${JSON.stringify(usage())}`)
  sink.octets = sink.messages = 0
}

globalThis.gc?.()
const { rss } = process.memoryUsage()
console.log(
  `${prefixes} prefixes, ${sets} sets, ${senders} senders, ${readers} readers; input ${(input.length / 1e6).toFixed(1)} MB`,
)
measure('announce', receive)
measure('withdraw', withdraw)

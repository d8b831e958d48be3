// A first table before the first table: V8 compiles what handles routes while there are none yet.
//
// It compiles a function that was called often, for the kinds of values that came: so the first 100,000 routes of a process
// cost up to twice what the next do, and its first turns are its longest. This plays two eBGP peers, one that tells and one that
// is told, to engines of its own, by the three ports of a shell: octets in, decision, octets out. Nobody sees these engines,
// and each is dropped after a table has come and gone. Several, one after the other: code that has seen a single engine is
// compiled for that one alone, and thrown away when the real one comes.

import { acceptAll, type ConnId, type PeerConfig } from '../types.ts'
import { families } from '../wire/family.ts'
import { keepalive } from '../wire/header.ts'
import { encodeOpen } from '../wire/open.ts'
import { Engine } from './engine.ts'
import { PART_UNITS, SyntheticTable } from './synthetic-table.ts'

/** Units that one step takes at most; code that is not compiled yet takes 20 µs for one. */
export const STEP_UNITS = PART_UNITS
/** Attribute sets of a table, by family; with fewer, or fewer tables, part of the code stays as it was. */
export const SETS = 2000
export const TABLES = 3

const [OWN_AS, TELLER_AS, READER_AS] = [64496, 64497, 64498]

/** Yields the units that came in after each step; as many are decided in it at most. The result: octets that came out. */
export function* warmUp(): Generator<number, number> {
  let octets = 0
  const sink = {
    chunk: (chunk: Uint8Array, _: number, done: () => void) => {
      octets += chunk.length
      done()
    },
  }
  const tables = families.map(({ family }) => new SyntheticTable(family, SETS, TELLER_AS))
  for (let n = 0; n < TABLES; n++) {
    const engine = engineOfTwo()
    yield 0
    const [teller, reader] = [connect(engine, TELLER_AS), connect(engine, READER_AS)]
    yield 0
    for (const phase of ['announce', 'withdraw'] as const) {
      for (const table of tables) {
        for (let part = 0; part < table.parts; part++) {
          const input = table.part(part)[phase]
          engine.receive(teller, input, 0, input.length, STEP_UNITS)
          step(engine, reader, sink)
          yield engine.spent
        }
      }
      for (let left = true; left;) {
        left = step(engine, reader, sink)
        yield 0
      }
    }
  }
  return octets
}

/** Decides, and takes what there is to send; true if more is left. */
function step(engine: Engine, reader: ConnId, sink: Parameters<Engine['pull']>[1]): boolean {
  const decides = engine.work(STEP_UNITS)
  const sends = engine.pull(reader, sink)
  engine.actions()
  return decides || sends
}

function engineOfTwo(): Engine {
  const peer = (asn: number): PeerConfig => ({
    address: addressOf(asn),
    remoteAs: asn,
    passive: true,
    holdTime: 0,
    families: families.map(({ family }) => family),
    nextHopSelf: { 'ipv6-unicast': '2001:db8::ff' },
    import: acceptAll,
    export: acceptAll,
  })
  const engine = new Engine({ seed: 1, now: 0, maxPrefixes: 1 })
  engine.configure({
    asn: OWN_AS,
    routerId: addressOf(OWN_AS),
    peers: new Map([TELLER_AS, READER_AS].map(asn => [String(asn), peer(asn)])),
  })
  return engine
}

/** A session that is established, from the peer's side. */
function connect(engine: Engine, asn: number): ConnId {
  const conn = engine.allocateConn()
  engine.handle({ kind: 'accepted', conn, local: addressOf(OWN_AS), remote: addressOf(asn) })
  const capabilities = families.map(({ afi, safi }) => ({ kind: 'multiprotocol', afi, safi }) as const)
  const open = encodeOpen({
    asn,
    holdTime: 0,
    routerId: asn,
    capabilities: [...capabilities, { kind: 'fourOctetAs', asn }],
  })
  for (const octets of [open, keepalive]) engine.receive(conn, octets, 0, octets.length, 1)
  return conn
}

/** One of those for documentation (RFC 5737). */
function addressOf(asn: number): string {
  return `192.0.2.${asn & 255}`
}

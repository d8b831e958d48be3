// The in-memory network keeps what TCP promises: on one connection octets arrive in order, whatever happens to the link.

import t from 'tap'
import { MemoryNetwork, VirtualClock } from './memory.ts'
import type { Conn } from './transport.ts'

const [A, B] = ['10.0.0.1', '10.0.0.2']
const DELAY = 10

/** A connection from A to B over a link of `DELAY`, and what of it has reached B. */
function connection() {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(clock, 1)
  network.setLink(A, B, { delay: DELAY })
  const arrived: number[] = []
  const accepted = (far: Conn): void => far.onData(octets => arrived.push(...octets))
  network.host(B).listen({ port: 179 }, { listening: () => {}, failed: () => {}, accepted })
  const near: Conn[] = []
  const failed = (reason: string): void => void t.fail(reason)
  network.host(A).connect({ address: B, port: 179 }, conn => near.push(conn), failed)
  clock.advance(3 * DELAY)
  const send = (octet: number): boolean => near[0].write([Uint8Array.of(octet)], () => {})
  return { clock, network, arrived, send }
}

t.test('what was sent just before a cut link is mended does not overtake what the cut holds up', t => {
  const { clock, network, arrived, send } = connection()
  network.cut(A, B)
  send(1)
  clock.advance(2 * DELAY) // held up
  send(2)
  clock.advance(DELAY / 2) // on its way
  network.mend(A, B)
  send(3)
  clock.advance(DELAY - 1)
  t.same(arrived, [], 'the way takes its time also after a cut')
  clock.advance(1)
  t.same(arrived, [1, 2, 3])
  t.end()
})

t.test('a link that is cut again before what it held up has arrived holds it up again, in order', t => {
  const { clock, network, arrived, send } = connection()
  network.cut(A, B)
  send(1)
  clock.advance(2 * DELAY)
  network.mend(A, B)
  send(2)
  clock.advance(DELAY / 2)
  network.cut(A, B)
  clock.advance(2 * DELAY)
  t.same(arrived, [])
  network.mend(A, B)
  send(3)
  clock.advance(DELAY)
  t.same(arrived, [1, 2, 3])
  t.end()
})

t.test('what is forgotten never arrives, nor does anything behind it', t => {
  const { clock, network, arrived, send } = connection()
  network.cut(A, B)
  send(1)
  clock.advance(2 * DELAY)
  send(2)
  network.forget(A, B)
  network.mend(A, B)
  send(3)
  clock.advance(2 * DELAY)
  t.same(arrived, [])
  t.end()
})

import t from 'tap'
import { MEETING, resolveCollision, type Rival } from './collision.ts'

const low = { routerId: 1, asn: 65001 }
const high = { routerId: 2, asn: 65002 }
const ours = { incoming: false }
const theirs = { incoming: true }
const confirmed = (incoming: boolean): Rival => ({ state: 'OpenConfirm', age: 0, incoming, gracefulRestart: false })

t.test('the connection made by the speaker with the higher identifier lives (RFC 4271 §6.8)', t => {
  const rows = [
    ['ours exists, theirs arrives, they are higher', confirmed(false), theirs, low, high, 'keep arrived'],
    ['ours exists, theirs arrives, we are higher', confirmed(false), theirs, high, low, 'keep existing'],
    ['theirs exists, ours arrives, they are higher', confirmed(true), ours, low, high, 'keep existing'],
    ['theirs exists, ours arrives, we are higher', confirmed(true), ours, high, low, 'keep arrived'],
    ['equal identifiers: the higher AS', confirmed(false), theirs, low, { ...low, asn: 65009 }, 'keep arrived'],
    ['equal identifiers: the lower AS', confirmed(false), theirs, low, { ...low, asn: 64512 }, 'keep existing'],
    ['identifiers are unsigned', confirmed(false), theirs, low, { routerId: 0xf0000001, asn: 1 }, 'keep arrived'],
    ['a second from the peer', confirmed(true), theirs, high, low, 'keep arrived'],
  ] as const
  for (const [name, existing, arrived, local, remote, expected] of rows) {
    t.equal(resolveCollision(existing, arrived, local, remote), expected, name)
  }
  t.end()
})

t.test('both ends come to the same connection, whoever is asked first', t => {
  for (const [a, b] of [
    [low, high],
    [high, low],
  ]) {
    // At a: its own connection is confirmed and b's arrives. At b the same two, seen from the other side.
    const atA = resolveCollision(confirmed(false), theirs, a, b) === 'keep arrived' ? 'made by b' : 'made by a'
    const atB = resolveCollision(confirmed(true), ours, b, a) === 'keep arrived' ? 'made by b' : 'made by a'
    t.equal(atA, atB)
  }
  t.end()
})

t.test('an Established session stays, unless a peer with graceful restart comes anew (RFC 4724 §5)', t => {
  const up = (gracefulRestart: boolean, age = MEETING): Rival => ({
    state: 'Established',
    age,
    incoming: false,
    gracefulRestart,
  })
  t.equal(resolveCollision(up(false), theirs, low, high), 'keep existing')
  t.equal(resolveCollision(up(true), theirs, low, high), 'existing is old')
  t.equal(resolveCollision(up(true), ours, low, high), 'keep existing')
  t.equal(
    resolveCollision(up(true, MEETING - 1), theirs, low, high),
    'keep existing',
    'dialed before it knew of the session',
  )
  t.equal(resolveCollision({ ...up(false), state: 'OpenSent' }, theirs, low, high), 'keep both')
  t.equal(resolveCollision({ ...up(false), state: 'Connect' }, theirs, low, high), 'keep both')
  t.end()
})

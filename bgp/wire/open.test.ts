import t from 'tap'
import { offeredFamilies } from './capabilities.ts'
import { decodeOpen, encodeOpen } from './open.ts'
import {
  checkHeader,
  HEADER_LENGTH,
  KEEPALIVE,
  keepalive,
  MAX_EXTENDED,
  MAX_MESSAGE,
  NOTIFICATION,
  OPEN,
  ROUTE_REFRESH,
  UPDATE,
} from './header.ts'

function decode(octets: Uint8Array) {
  return decodeOpen(octets, HEADER_LENGTH, octets.length)
}

/** The body of an OPEN with these octets from the optional parameters' length on. */
function withParameters(...octets: number[]): ReturnType<typeof decodeOpen> {
  const body = Uint8Array.of(4, 253, 233, 0, 90, 1, 1, 1, 1, ...octets)
  return decodeOpen(body, 0, body.length)
}

t.test('an OPEN that is refused says why', t => {
  const good = { asn: 65001, holdTime: 90, routerId: 1, capabilities: [] }
  const edited = (at: number, ...values: number[]) => {
    const octets = encodeOpen(good)
    octets.set(values, HEADER_LENGTH + at)
    return decode(octets)
  }
  const rows: [string, ReturnType<typeof decodeOpen>, [number, number]][] = [
    ['version 3', edited(0, 3), [2, 1]],
    ['AS 0', edited(1, 0, 0), [2, 2]],
    ['hold time 1', edited(3, 0, 1), [2, 6]],
    ['hold time 2', edited(3, 0, 2), [2, 6]],
    ['identifier 0.0.0.0', edited(5, 0, 0, 0, 0), [2, 3]],
    ['parameter 1 (authentication)', withParameters(2, 1, 0), [2, 4]],
    ['parameters longer than they say', withParameters(1, 2, 0), [2, 0]],
    ['parameters shorter than they say', withParameters(9, 2, 0), [2, 0]],
    ['a parameter cut off', withParameters(1, 2), [2, 0]],
    ['a parameter past the end', withParameters(2, 2, 9), [2, 0]],
    ['a capability past the end', withParameters(4, 2, 2, 65, 4), [2, 0]],
    ['a capability without length', withParameters(3, 2, 1, 65), [2, 0]],
    ['extended: length beyond the body', withParameters(255, 255, 255, 255, 2, 0, 0), [2, 0]],
    ['extended: ends at the marker', withParameters(255, 255), [2, 0]],
    ['extended: no second length octet', withParameters(255, 255, 0), [2, 0]],
    ['extended: a parameter cut off', withParameters(255, 255, 0, 2, 2, 0), [2, 0]],
  ]
  for (const [name, result, [code, subcode]] of rows) {
    t.match(result, { fault: { code, subcode, why: /\w/ } }, name)
  }
  t.end()
})

t.test('a capability with a wrong length is as good as unknown', t => {
  const values = {
    1: [[], [0, 1, 0], [0, 1, 0, 1, 0]],
    2: [[1]],
    5: [[0], [0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 2, 0]],
    64: [[], [1], [0, 1, 2], [0, 0, 0, 1, 1]],
    65: [[], [1, 2, 3], [0, 0, 0, 1, 2]],
  }
  for (const [code, list] of Object.entries(values)) {
    for (const value of list) {
      const result = withParameters(value.length + 4, 2, value.length + 2, Number(code), value.length, ...value)
      t.match(result, { capabilities: [{ kind: 'unknown', code: Number(code) }] }, `${code}: ${value.join(' ')}`)
    }
  }
  t.end()
})

t.test('families: IPv4 unless said otherwise, and only those we know', t => {
  t.same(offeredFamilies([]), ['ipv4-unicast'])
  t.same(offeredFamilies([{ kind: 'multiprotocol', afi: 2, safi: 1 }]), ['ipv6-unicast'])
  t.same(offeredFamilies([{ kind: 'multiprotocol', afi: 25, safi: 70 }]), [])
  t.end()
})

t.test('headers', t => {
  const edited = (at: number, ...values: number[]) => {
    const octets = keepalive.slice()
    octets.set(values, at)
    return checkHeader(octets, 0, MAX_MESSAGE)
  }
  t.equal(checkHeader(keepalive, 0, MAX_MESSAGE), undefined)
  t.match(edited(15, 0), { code: 1, subcode: 1 })
  t.match(edited(0, 254), { code: 1, subcode: 1 })
  t.match(edited(18, 0), { code: 1, subcode: 3, data: Uint8Array.of(0) })
  t.match(edited(18, 6), { code: 1, subcode: 3 })
  t.match(edited(16, 0, 18), { code: 1, subcode: 2, data: Uint8Array.of(0, 18) })
  t.match(edited(16, 0, 20), { code: 1, subcode: 2 }, 'a KEEPALIVE is 19 octets')
  t.match(edited(16, 0, 22, 2), { code: 1, subcode: 2 }, 'an UPDATE is 23 octets at least')
  t.match(edited(16, 16, 1, 2), { code: 1, subcode: 2 }, '4097 octets are too many')
  const longest = (type: number, ...length: number[]) => {
    const octets = keepalive.slice()
    octets.set([...length, type], 16)
    return checkHeader(octets, 0, MAX_EXTENDED)
  }
  for (const type of [UPDATE, NOTIFICATION, ROUTE_REFRESH]) t.equal(longest(type, 255, 255), undefined, `type ${type}`)
  t.match(longest(OPEN, 16, 1), { code: 1, subcode: 2, data: Uint8Array.of(16, 1) }, 'RFC 8654 §5: never an OPEN')
  t.match(longest(KEEPALIVE, 16, 1), { code: 1, subcode: 2, data: Uint8Array.of(16, 1) })
  t.end()
})

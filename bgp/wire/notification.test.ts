import t from 'tap'
import { ceaseFault, notificationText } from './notification.ts'

const text = (code: number, subcode: number, ...data: number[]) =>
  notificationText({ code, subcode, data: Uint8Array.from(data) })

t.test('codes are told in words', t => {
  for (const [octets, expected] of [
    [[2, 2], 'OPEN Message Error / Bad Peer AS'],
    [[4, 0], 'Hold Timer Expired'],
    [[6, 7], 'Cease / Connection Collision Resolution'],
    [[5, 1], 'Finite State Machine Error / Unexpected Message in OpenSent State'],
    [[6, 99], 'Cease / subcode 99'],
    [[77, 1], 'error 77/1'],
    [[6, 2, 4, 98, 121, 101, 33], 'Cease / Administrative Shutdown: "bye!"'],
    [[6, 1, 0, 1, 1, 0, 0, 3, 232], 'Cease / Maximum Number of Prefixes Reached: limit 1000 of AFI 1'],
    [[6, 9], 'Cease / Hard Reset'],
    [[6, 9, 6, 2, 2, 98, 121], 'Cease / Hard Reset: Cease / Administrative Shutdown: "by"'],
    [[6, 9, 6, 9, 6, 9], 'Cease / Hard Reset'],
    [[6, 9, 4], 'Cease / Hard Reset'],
    [[2, 1, 0, 3], 'OPEN Message Error / Unsupported Version Number: it speaks version 3'],
  ] as [number[], string][]) {
    const [code, subcode, ...data] = octets
    t.equal(text(code, subcode, ...data), expected)
  }
  t.end()
})

t.test('a shutdown communication that lies about its length, or is no text, does no harm (RFC 9003)', t => {
  t.equal(text(6, 2, 255, 65), 'Cease / Administrative Shutdown')
  t.equal(text(6, 2), 'Cease / Administrative Shutdown')
  t.equal(text(6, 4, 2, 0xff, 0xfe), 'Cease / Administrative Reset: "\ufffd\ufffd"')
  t.equal(text(6, 2, 3, 27, 91, 65), 'Cease / Administrative Shutdown: " [A"', 'no escape sequences')
  const long = ceaseFault(2, 'é'.repeat(300))
  t.equal(long.data[0], long.data.length - 1)
  t.ok(long.data.length <= 256)
  t.match(notificationText(long), /"é+"$/)
  t.end()
})

import t from 'tap'
import { failureOf } from './batch.ts'
import { errnoName, errnoText } from './errno.ts'
import { headerLength, nested } from './protocol.ts'
import { Attributes, type Message, readMessages } from './reader.ts'
import { MessageWriter } from './writer.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function messages(bytes: Uint8Array): Message[] {
  const list: Message[] = []
  readMessages(bytes, message => list.push(message))
  return list
}

// Golden bytes are those of a little-endian machine.
t.test('messages and attributes are laid out as linux/netlink.h says', async t => {
  const writer = new MessageWriter(16) // grows
  writer.begin(24, 0x601, 7)
  writer.u8(2)
  writer.u8(0xff)
  writer.u16(0x0102)
  writer.attributeU8(1, 5)
  writer.attributeU16be(2, 4789)
  writer.attributeText(3, 'lo')
  const nest = writer.beginNest(4)
  writer.attributeU32(5, 0xfffffffe)
  writer.attribute(6, Uint8Array.of(10, 0, 0))
  writer.endNest(nest)
  writer.end()
  writer.begin(25, 1, 8)
  writer.end()
  t.equal(
    hex(writer.bytes),
    ['40000000', '18000106', '07000000', '00000000', '02ff0201'].join('') + // header, body
      ['05000100', '05000000', '06000200', '12b50000', '07000300', '6c6f0000'].join('') +
      ['14000480', '08000500', 'feffffff', '07000600', '0a000000'].join('') +
      ['10000000', '19000100', '08000000', '00000000'].join(''),
  )
  const [first, second] = messages(writer.bytes)
  t.match({ ...first, bytes: 0, view: 0 }, { type: 24, flags: 0x601, sequence: 7, from: headerLength, to: 0x40 })
  t.match({ ...second, bytes: 0, view: 0 }, { type: 25, flags: 1, sequence: 8 })
  const a = new Attributes(first, first.from + 4, first.to)
  t.ok(a.next() && a.type === 1 && a.u8() === 5)
  t.ok(a.next() && a.type === 2 && a.length === 2)
  t.ok(a.next() && a.text() === 'lo')
  t.ok(a.next() && a.type === 4, 'the flag of nested attributes is no part of the type')
  const inner = a.nested()
  t.ok(inner.next() && inner.u32() === 0xfffffffe)
  t.ok(inner.next())
  t.same([...inner.octets()], [10, 0, 0])
  t.notOk(inner.next())
  t.notOk(a.next())
})

t.test('what is written after a truncation is clean', async t => {
  const writer = new MessageWriter(64)
  writer.begin(1, 0, 1)
  const before = writer.length
  writer.u32(0xffffffff)
  writer.truncate(before)
  writer.u8(1)
  writer.end()
  t.equal(hex(writer.bytes), ['11000000', '01000000', '01000000', '00000000', '01000000'].join(''))
})

t.test('lengths that lead out of the buffer end the reading', async t => {
  for (const [name, bytes, count] of [
    ['nothing', '', 0],
    ['half a header', '1000000001000000', 0],
    ['a length below the header', '0f000000' + '01000000'.repeat(3), 0],
    ['a length beyond the buffer', '20000000' + '01000000'.repeat(3), 0],
    ['a good one and half a header', '10000000' + '01000000'.repeat(3) + '10000000', 1],
  ] as const)
    t.equal(messages(Buffer.from(bytes, 'hex')).length, count, name)
  const attributes = (bytes: string): Attributes => {
    const data = Uint8Array.from(Buffer.from(bytes, 'hex'))
    return new Attributes({ bytes: data, view: new DataView(data.buffer) }, 0, data.length)
  }
  for (const bytes of ['', '0400', '0300010000', '09000100aabbccdd']) t.notOk(attributes(bytes).next(), bytes)
  const short = attributes('050001000a000000')
  t.ok(short.next())
  t.equal(short.u32(), 0, 'a number that is not all there is 0')
  short.nextHops(() => t.fail('no next hop fits in there'))
})

t.test('an error carries the kernel’s words, else those of the errno', async t => {
  const acknowledgement = (error: number, text?: string): Message => {
    const writer = new MessageWriter()
    writer.begin(2, text === undefined ? 0x100 : 0x300, 5)
    writer.u32(error >>> 0)
    for (let i = 0; i < 4; i++) writer.u32(0) // the request's header (NETLINK_CAP_ACK)
    if (text !== undefined) writer.attributeText(1, text)
    writer.end()
    return messages(writer.bytes)[0]
  }
  t.equal(failureOf(acknowledgement(0)), undefined)
  t.same(failureOf(acknowledgement(-17)), { ok: false, errno: 'EEXIST', text: 'it exists already' })
  t.same(failureOf(acknowledgement(-101, 'Nexthop has invalid gateway')), {
    ok: false,
    errno: 'ENETUNREACH',
    text: 'Nexthop has invalid gateway',
  })
  t.equal(errnoName(-95), 'EOPNOTSUPP')
  t.equal(errnoName(4711), 'errno 4711')
  t.match(errnoText('EL2HLT'), 'EL2HLT')
})

t.test('a nested attribute may go without the flag', async t => {
  const writer = new MessageWriter()
  const at = writer.beginNest(9, 0)
  const hop = writer.beginNextHop(4, 1, 3)
  writer.attribute(5, Uint8Array.of(10, 0, 0, 1))
  writer.endNextHop(hop)
  writer.endNest(at)
  t.equal(hex(writer.bytes), ['14000900', '10000401', '03000000', '08000500', '0a000001'].join(''))
  t.equal(nested, 0x8000)
})

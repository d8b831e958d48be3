import t from 'tap'
import { attributeOctets, octetsOfAddress } from '../groups/testing.ts'
import type { Family } from '../types.ts'
import { HEADER_LENGTH, messageLength } from './header.ts'
import { nlriOctets, nlriTexts } from './nlri.ts'
import { UpdateDecoder } from './update.ts'
import { type MessageTarget, UpdateWriter } from './update-writer.ts'

/** Prefixes by number: `source[i]` is written as NLRI. */
function source(texts: readonly string[], bits: 32 | 128) {
  const nlri = texts.map(text => nlriOctets([text], bits))
  return {
    longestNlri: 5 + bits / 8,
    nlriLength: (id: number) => nlri[id].length,
    putNlri: (id: number, out: Uint8Array, at: number) => {
      out.set(nlri[id], at)
      return at + nlri[id].length
    },
  }
}

function target(): MessageTarget & { messages: Uint8Array[]; reserved: number; most: number } {
  return {
    octets: new Uint8Array(1 << 22),
    at: 0,
    messages: [],
    reserved: 0,
    most: 0,
    reserve(octets) {
      this.reserved++
      this.most = octets
    },
    commit(length: number) {
      if (length > this.most) throw new Error(`${length} octets, but room for ${this.most}`)
      this.messages.push(this.octets.slice(this.at, this.at + length))
      Object.assign(this, { at: this.at + length })
    },
  }
}

const classic = (family: Family) => family === 'ipv4-unicast'
const many4 = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
const many6 = Array.from({ length: 3000 }, (_, i) => `2001:db8:${(i + 1).toString(16)}::/48`)

const numbered = (texts: readonly string[]) => texts.map((text, i) => `${(i * 2654435761) % 4294967296} ${text}`)

for (const [family, bits, texts, hop, pathIds] of [
  ['ipv4-unicast', 32, many4, '192.0.2.1', false],
  ['ipv6-unicast', 128, many6, '2001:db8::1', false],
  ['ipv4-unicast', 32, numbered(many4), '192.0.2.1', true],
  ['ipv6-unicast', 128, numbered(many6), '2001:db8::1', true],
] as const satisfies [Family, 32 | 128, string[], string, boolean][]) {
  const context = { kind: 'ebgp', fourOctetAs: true, pathIds: { [family]: pathIds } } as const
  const ids = pathIds ? ', with path identifiers' : ''

  t.test(`${family}${ids}: full messages that the decoder reads back`, async t => {
    const classic = family === 'ipv4-unicast'
    const writer = new UpdateWriter(family, source(texts, bits))
    const attributes = attributeOctets({ path: [65001], med: 4, communities: ['1:2'] })
    const withHop = classic
      ? Uint8Array.from([
          ...attributes.subarray(0, 4),
          ...attributes.subarray(4, 13),
          0x40,
          3,
          4,
          192,
          0,
          2,
          1,
          ...attributes.subarray(13),
        ])
      : attributes
    for (const announces of [true, false]) {
      const out = target()
      if (announces) writer.announce(out, withHop, withHop.length, octetsOfAddress(hop))
      else writer.withdraw(out)
      for (let id = 0; id < texts.length; id++) writer.add(id)
      writer.end()
      const decoder = new UpdateDecoder()
      const seen: string[] = []
      for (const message of out.messages) {
        t.equal(messageLength(message, 0), message.length)
        const verdict = decoder.decode(message, HEADER_LENGTH, message.length, context)
        if (verdict.do !== 'accept') t.fail(JSON.stringify(verdict))
        const ranges = classic
          ? announces
            ? [decoder.announcedFrom, decoder.announcedTo]
            : [decoder.withdrawnFrom, decoder.withdrawnTo]
          : announces
            ? [decoder.reach.from, decoder.reach.to]
            : [decoder.unreach.from, decoder.unreach.to]
        seen.push(...nlriTexts(message, ranges[0], ranges[1], bits, pathIds))
        if (announces) t.same(decoder.attributes.slice(0, decoder.attributesTo), attributes)
      }
      t.same(seen, texts)
      const widest = (bits === 32 ? 4 : 7) + (pathIds ? 4 : 0)
      for (const { length } of out.messages.slice(0, -1)) {
        t.ok(length <= 4096 && length > 4096 - widest - 1, `${length} octets are as many as fit`)
      }
      t.equal(out.reserved, out.messages.length)
    }
  })

  t.test(
    `${family}${ids}: extended messages are as long as the attributes need, else no longer than one turn reads well`,
    async t => {
      const writer = new UpdateWriter(family, source(texts, bits), true)
      const hop = new Uint8Array(classic(family) ? 0 : 16)
      for (const [octets, longest] of [
        [100, 16384],
        [20000, 20100],
        [writer.roomForAttributes(hop.length), 65535],
      ]) {
        const out = target()
        writer.announce(out, new Uint8Array(octets), octets, hop)
        for (let id = 0; id < 50; id++) writer.add(id)
        writer.end()
        const most = Math.max(...out.messages.map(({ length }) => length))
        t.ok(most <= longest && most > octets, `${most} octets`)
        for (const message of out.messages) t.equal(messageLength(message, 0), message.length)
      }
      const out = target()
      writer.withdraw(out)
      for (let id = 0; id < texts.length; id++) writer.add(id)
      writer.end()
      t.ok(out.messages.length <= 3, 'so there are fewer')
    },
  )

  t.test(`${family}${ids}: End-of-RIB`, async t => {
    const message = new UpdateWriter(family, source([], bits)).endOfRib()
    const decoder = new UpdateDecoder()
    t.same(decoder.decode(message, HEADER_LENGTH, message.length, context), { do: 'accept' })
    t.equal(decoder.endOfRib, family)
  })
}

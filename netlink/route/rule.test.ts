import t from 'tap'
import { readMessages } from '../core/reader.ts'
import { MessageWriter } from '../core/writer.ts'
import { open } from '../index.ts'
import { namespace } from '../test-namespace.ts'
import type { NetlinkEvent, Rule } from '../types.ts'
import { readRule, writeRuleQuery } from './rule.ts'

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/[^0-9a-f]/g, ''), 'hex'))

// Written out by hand after linux/fib_rules.h, for a little-endian machine.

t.test('the question', async t => {
  const writer = new MessageWriter()
  writer.begin(34, 0x301, 7)
  writeRuleQuery(writer, 6)
  writer.end()
  t.strictSame(
    Uint8Array.from(writer.bytes),
    octets('1c000000 2200 0103 07000000 00000000  0a 00 00 00 00 00 00 00 00000000'),
  )
})

for (const { name, bytes, expect } of [
  {
    name: 'main, but for its default route',
    bytes: `02 00 00 00 fe 00 00 01 00000000  0800 0f00 fe000000  0800 0e00 00000000  0800 0600 007d0000  0500 1500 03 000000`,
    expect: { family: 4, priority: 32_000, action: 'lookup', table: 254, suppressPrefixLength: 0 },
  },
  {
    name: 'a table above 255, from some addresses, nothing suppressed',
    bytes: `0a 00 40 00 00 00 00 01 00000000  0800 0f00 2c010000  0800 0e00 ffffffff  0800 0600 017d0000
      1400 0200 fd420000000000000000000000000000`,
    expect: { family: 6, priority: 32_001, action: 'lookup', table: 300, conditional: true },
  },
  {
    name: 'what is not marked is refused',
    bytes: `02 00 00 00 00 00 00 08 02000000  0800 0600 05000000  0800 0a00 01000000  0800 1000 ffffffff`,
    expect: { family: 4, priority: 5, action: 'prohibit', conditional: true },
  },
  { name: 'a rule of multicast routing', bytes: `80 00 00 00 fd 00 00 01 00000000`, expect: undefined },
])
  t.test(name, async t => {
    const body = octets(bytes)
    const head = octets(`${(16 + body.length).toString(16).padStart(2, '0')}000000 2000 0000 00000000 00000000`)
    const found: (Rule | undefined)[] = []
    readMessages(Uint8Array.from([...head, ...body]), message => found.push(readRule(message)))
    t.strictSame(found, [expect])
  })

t.test('rules are dumped as `ip` made them, and heard of', async t => {
  const ns = namespace(t)
  const netlink = await open({ netns: ns.path })
  t.teardown(() => netlink.close())
  const usual = await netlink.rules()
  t.strictSame(usual, [
    { family: 4, priority: 0, action: 'lookup', table: 255 },
    { family: 4, priority: 32_766, action: 'lookup', table: 254 },
    { family: 4, priority: 32_767, action: 'lookup', table: 253 },
    { family: 6, priority: 0, action: 'lookup', table: 255 },
    { family: 6, priority: 32_766, action: 'lookup', table: 254 },
  ])
  const heard: NetlinkEvent[] = []
  await netlink.watch(['rule4', 'rule6'], event => heard.push(event))
  ns.batch([
    'rule add pref 32000 lookup main suppress_prefixlength 0',
    'rule add pref 32001 lookup 810',
    'rule add pref 5 from 10.0.0.0/8 iif lo lookup 81',
    'rule add pref 6 not fwmark 1 prohibit',
    'rule add pref 7 uidrange 0-10 lookup 81',
    'rule add pref 8 goto 32000',
  ])
  ns.ip('-6 rule add pref 9 to fd00::/8 lookup 81')
  const made: readonly Rule[] = [
    { family: 4, priority: 32_000, action: 'lookup', table: 254, suppressPrefixLength: 0 },
    { family: 4, priority: 32_001, action: 'lookup', table: 810 },
    { family: 4, priority: 5, action: 'lookup', table: 81, conditional: true },
    { family: 4, priority: 6, action: 'prohibit', conditional: true },
    { family: 4, priority: 7, action: 'lookup', table: 81, conditional: true },
    { family: 4, priority: 8, action: 'goto' },
    { family: 6, priority: 9, action: 'lookup', table: 81, conditional: true },
  ]
  const asked = (await netlink.rules()).filter(rule => !usual.some(each => each.priority === rule.priority))
  const order = (a: Rule, b: Rule): number => a.family - b.family || a.priority - b.priority
  t.strictSame(asked, made.toSorted(order))
  ns.ip('rule del pref 32001')
  while (!heard.some(event => event.type === 'rule.delete')) await new Promise(resolve => setTimeout(resolve, 10))
  t.strictSame(heard, [
    ...made.map(rule => ({ type: 'rule.put', rule })),
    { type: 'rule.delete', rule: { family: 4, priority: 32_001, action: 'lookup', table: 810 } },
  ])
})

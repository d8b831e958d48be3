// Any octets: nothing throws, nothing outside the message is read, nothing loops, and the rule that was broken is told.

import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import t from 'tap'
import { Random } from '../fsm/random.ts'
import { message } from './header.ts'
import { mutate } from './test-mutations.ts'
import { judge } from './test-oracle.ts'
import { messages, nearlyRight } from './test-values.ts'

const types = Object.keys(messages).map(Number)

t.test('any octets, as a body of every message type', async t => {
  for (const type of types) {
    const body = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(body, octets => void judge(message(type, octets))),
      { numRuns: 600 },
    )
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), octets => void judge(octets)),
    { numRuns: 500 },
  )
  t.pass('every promise holds')
})

t.test('well-formed messages of every type, as they are and with something changed', async t => {
  const random = new Random(1)
  for (const type of types) {
    const list = fc.sample(messages[type], { numRuns: 300, seed: 7 })
    list.forEach((one, i) => {
      judge(one)
      for (let n = 0; n < 4; n++) judge(mutate(one, list[(i + n) % list.length], random))
    })
  }
  t.pass('every promise holds')
})

t.test('right messages with an attribute or a capability that is not', async t => {
  fc.assert(
    fc.property(nearlyRight, octets => void judge(octets)),
    { numRuns: 3000 },
  )
  t.pass('every promise holds')
})

t.test('what the fuzzer has found', async t => {
  const lines = readFileSync(new URL('fuzz-corpus.txt', import.meta.url), 'utf8').split('\n')
  const corpus = lines.filter(line => /^[0-9a-f]+$/.test(line))
  t.ok(corpus.length > 50, `${corpus.length} messages`)
  for (const hex of corpus) judge(Uint8Array.from(Buffer.from(hex, 'hex')))
})

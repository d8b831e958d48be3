import t from 'tap'
import { prefixText4 } from './prefix.ts'
import { keyOf, prefixFrom, PrefixMap } from './prefix-map.ts'

t.test('a key is the same prefix by text and by numbers', async t => {
  for (const c of [
    { text: '10.42.0.64/26', word: 0x0a2a0040, length: 26 },
    { text: '192.0.2.1/32', word: 0xc0000201 | 0, length: 32 },
    { text: '0.0.0.0/0', word: 0, length: 0 },
    { text: 'fd00:42::/122', word: 0, length: -1 },
  ]) {
    t.same(keyOf(c.text), c)
    const { family } = prefixFrom(c) ?? {}
    t.equal(family, c.length < 0 ? 6 : 4)
  }
  t.same(keyOf('192.0.2.1'), keyOf('192.0.2.1/32'))
  t.equal(prefixFrom(keyOf('10.0.0.1/24')), undefined, 'host bits')
  t.same([...(prefixFrom(keyOf('192.0.2.1/32'))?.octets ?? [])], [192, 0, 2, 1])
})

t.test('neither family, lengths at one address nor the addresses around get into each other', async t => {
  const map = new PrefixMap<string>()
  const texts = [
    '0.0.0.0/0',
    '0.0.0.0/8',
    '10.0.0.0/8',
    '10.0.0.0/9',
    '10.0.0.0/32',
    '255.255.255.255/32',
    '::/0',
    'fd00::/8',
  ]
  for (const text of texts) map.set(text, text)
  t.equal(map.size, texts.length)
  for (const text of texts) t.equal(map.get(keyOf(text)), text)
  t.equal(map.get('10.0.0.0/10'), undefined)
  t.equal(map.get('fd00::/9'), undefined)
  t.same(
    Array.from(map.keys(), ({ text }) => text),
    texts,
  )
  t.same([...map.values()], texts)
  for (const text of texts) t.equal(map.delete(text), true)
  t.equal(map.delete('::/0'), false)
  t.equal(map.size, 0)
  t.same([...map.values()], [])
})

t.test('it holds what a Map of texts holds, whatever comes and goes', async t => {
  const map = new PrefixMap<number>()
  const model = new Map<string, number>()
  let state = 1
  const below = (count: number): number => (state = Math.imul(state, 48271) >>> 1) % count
  // Few addresses, so that they come again; runs of neighbours, so that slots collide.
  const prefix = (): string => {
    const length = [8, 16, 22, 24, 32][below(5)]
    return prefixText4((below(3000) << (32 - length)) | 0, length)
  }
  for (let step = 0; step < 60_000; step++) {
    const text = prefix()
    // It grows for a while, and shrinks.
    if (below(10) < (step % 20_000 < 10_000 ? 7 : 2)) {
      map.set(below(2) ? text : keyOf(text), step)
      model.set(text, step)
    } else if (map.delete(text) !== model.delete(text)) t.fail(`${text} was there for one of them`)
    if (map.size !== model.size) t.fail(`${map.size} instead of ${model.size} after ${step} steps`)
    const other = prefix()
    if (map.get(other) !== model.get(other)) t.fail(`${other} is ${map.get(other)}`)
  }
  t.ok(model.size > 0)
  t.same(Array.from(map.keys(), ({ text }) => text).toSorted(), [...model.keys()].toSorted())
  for (const [text, value] of model) if (map.get(keyOf(text)) !== value) t.fail(text)
})

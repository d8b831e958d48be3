import * as fc from 'fast-check'
import t from 'tap'
import { nlriOctets } from '../wire/nlri.ts'
import { column, FIRST, resized, roundUp, STEP } from './columns.ts'
import { DirtyQueue } from './dirty-queue.ts'
import { PrefixTable } from './prefix-table.ts'

t.test('columns keep their content while they grow, with and without a reservation', async t => {
  for (const reserve of [0, 4096]) {
    let values = column(Uint32Array, 10, reserve)
    for (let i = 0; i < 10; i++) values[i] = i + 1
    const { buffer } = values
    values = resized(values, 1000)
    t.equal(values.buffer === buffer, reserve > 0, 'grows in place only within its reservation')
    t.same([...values.subarray(0, 12)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0])
    values = resized(values, 5000)
    t.equal(values.length, 5000)
    t.equal(values[9], 10)
    t.equal(resized(values, 5)[4], 5)
  }
})

t.test('without a reservation small columns are plain memory, and large ones grow in place after a while', async t => {
  let values = column(Uint32Array, FIRST, 0)
  const sizes: number[] = []
  let copies = 0
  while (values.length < 3 * STEP) {
    t.equal(values.buffer.growable, values.length > STEP, `${values.length} entries`)
    const { buffer } = values
    values = resized(values, roundUp(values.length + 1))
    sizes.push(values.length)
    if (values.buffer !== buffer) copies++
  }
  const doubled = Array.from({ length: Math.log2((2 * STEP) / FIRST) }, (_, i) => FIRST << (i + 1))
  t.same(sizes, [...doubled, 3 * STEP])
  t.equal(copies, doubled.length)
})

const v4 = fc.tuple(fc.nat(3), fc.nat(255), fc.integer({ min: 0, max: 32 })).map(([a, b, length]) => {
  const value = (((10 + a) << 24) | (b << 16) | 0x0102) & (length === 0 ? 0 : -1 << (32 - length))
  return `${[24, 16, 8, 0].map(shift => (value >>> shift) & 255).join('.')}/${length}`
})
const v6 = fc.tuple(fc.nat(3), fc.nat(200), fc.constantFrom(64, 80, 96, 128)).map(([a, b, length]) => {
  const groups = ['2001', 'db8', a.toString(16), b.toString(16)]
  return length === 64 ? `${groups.join(':')}::/64` : `${groups.join(':')}:${(b + 1).toString(16)}::/${length}`
})

for (const [bits, prefix] of [
  [32, v4],
  [128, v6],
] as const) {
  t.test(`the table of ${bits}-bit prefixes behaves like a Map`, async t => {
    const operations = fc.array(fc.tuple(fc.boolean(), prefix), { maxLength: 300 })
    fc.assert(
      fc.property(operations, fc.nat(), (list, seed) => {
        const table = new PrefixTable(bits, seed, 0)
        const model = new Map<string, number>()
        for (const [add, text] of list) {
          table.readText(text)
          const known = model.get(text) ?? 0
          if (table.find() !== known) throw new Error(`${text}: ${table.find()}, not ${known}`)
          if (add) model.set(text, table.obtain())
          else if (known !== 0) {
            table.release(known)
            model.delete(text)
          }
        }
        if (table.size !== model.size) throw new Error('size differs')
        for (const [text, id] of model) if (table.text(id) !== text || !table.has(id)) throw new Error(`lost ${text}`)
      }),
      { numRuns: 60, seed: 42 },
    )
    t.pass()
  })
}

t.test('host bits are cleared, and ids start at 1 and are used again', async t => {
  const table = new PrefixTable(32, 1, 0)
  table.read(Uint8Array.of(20, 10, 1, 0xff), 0)
  const id = table.obtain()
  t.equal(id, 1)
  t.equal(table.text(id), '10.1.240.0/20')
  const out = new Uint8Array(8)
  t.equal(table.putNlri(id, out, 1), 5)
  t.same([...out.subarray(1, 5)], nlriOctets(['10.1.240.0/20'], 32))
  table.release(id)
  t.notOk(table.has(id))
  table.readText('0.0.0.0/0')
  t.equal(table.obtain(), 1)
})

t.test('a queue holds each id once, in order, the whole table first if asked to', async t => {
  const queue = new DirtyQueue(0)
  for (const id of [5, 3, 5, 300_000, 3]) queue.mark(id)
  t.same([queue.take(), queue.take(), queue.take(), queue.take()], [5, 3, 300_000, 0])
  queue.fill(4)
  queue.mark(9)
  t.ok(queue.has(2))
  const taken = []
  for (let id = queue.take(); id !== 0; id = queue.take()) taken.push(id)
  t.same(taken, [1, 2, 3, 9])
  t.ok(queue.empty)
  for (let id = 1; id < 20_000; id++) queue.mark(id)
  for (let id = 1; id < 20_000; id++) if (queue.take() !== id) t.fail('order')
})

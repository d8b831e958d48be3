import t from 'tap'
import type { FibEntry } from '../../model/fib.ts'
import { RowQueue, Rows, winnerOf } from './rows.ts'

const entry = (prefix: string): FibEntry => ({ prefix, kind: 'unreachable', nextHops: [] })
const [A, B, C] = ['10.1.0.0/26', '10.2.0.0/26', '10.3.0.0/26']

const prefixesOf = (rows: Iterable<{ readonly prefix: string }>) => Array.from(rows, ({ prefix }) => prefix)

t.test('a whole list after single changes, and the other way round', async t => {
  const rows = new Rows()
  t.same(
    prefixesOf(
      rows.patch(
        'bgp',
        [A, B].map(prefix => ({ prefix, entry: entry(prefix) })),
      ),
    ),
    [A, B],
  )
  t.same(prefixesOf(rows.set('bgp', [entry(B), entry(C)])), [C, A], 'what is not listed goes, though it came by itself')
  rows.patch('bgp', [{ prefix: A, entry: entry(A) }])
  t.same(prefixesOf(rows.set('bgp', [entry(B)])).toSorted(), [A, C])
  t.equal(rows.size('bgp'), 1)
  t.same(rows.patch('bgp', [{ prefix: '10.9.0.0/26' }]), [], 'nobody wanted it')
})

t.test('the row of a prefix that nobody wants is forgotten, but not while it waits or is under way', async t => {
  const rows = new Rows()
  const queue = new RowQueue(1)
  const [row] = rows.patch('block', [{ prefix: A, entry: entry(A) }])
  t.same(winnerOf(row), { class: 'block', entry: entry(A) })
  rows.release(row)
  t.equal(rows.at(A), row)
  rows.patch('block', [{ prefix: A }])
  queue.add(row)
  rows.release(row)
  t.equal(rows.at(A), row)
  queue.drop(row)
  row.flight = { sent: undefined }
  rows.release(row)
  t.equal(rows.at(A), row)
  row.flight = undefined
  rows.release(row)
  t.equal(rows.at(A), undefined)
})

t.test('a row waits once in a queue; in flight it has its turn when it has landed', async t => {
  const rows = new Rows()
  const [urgent, dirty] = [new RowQueue(1), new RowQueue(2)]
  const [a, b] = [A, B].map(prefix => rows.obtain(prefix))
  for (const row of [a, b, a]) dirty.add(row)
  urgent.add(b)
  t.equal(urgent.next(), b)
  for (const queue of [urgent, dirty]) queue.drop(b)
  b.flight = { sent: undefined }
  dirty.add(b)
  t.equal(dirty.next(), a)
  dirty.drop(a)
  t.equal(dirty.next(), undefined)
  t.equal(dirty.size, 1, 'it waits')
  b.flight = undefined
  dirty.landed(b)
  t.equal(dirty.next(), b)
  dirty.drop(b)
  t.equal(dirty.next(), undefined)
  t.same([urgent.size, dirty.size, a.waits, b.waits], [0, 0, 0, 0])
})

import t from 'tap'
import { Repeats } from './repeats.ts'

const minute = 60_000

t.test('three in full, then one every ten minutes with a count, and anew after an hour of peace', async t => {
  const repeats = new Repeats()
  const told: [number, string][] = []
  for (let second = 0; second < 3600; second++) {
    const words = repeats.next(`ORIGIN: value ${second} is none of 0, 1, 2`, second * 1000)
    if (words !== undefined) told.push([second, words])
  }
  t.same(
    told.map(([second]) => second),
    [0, 1, 2, 602, 1202, 1802, 2402, 3002],
  )
  t.same(
    told.slice(0, 3).map(([, words]) => words),
    ['', '', ''],
  )
  t.ok(told.slice(3).every(([, words]) => words === ' (and 599 more of the kind since the last report)'))
  t.equal(repeats.next('something else', 3600_000), '', 'another kind is told at once')
  t.equal(repeats.next('ORIGIN: value 9 is none of 0, 1, 2', 3600_000 + 61 * minute), '')
})

t.test('a peer that says ever new things is not told for ever', async t => {
  const repeats = new Repeats()
  let told = 0
  for (let i = 0; i < 100_000; i++) {
    const words = String.fromCodePoint(...`${i}`.split('').map(digit => 97 + Number(digit)))
    if (repeats.next(words, i) !== undefined) told++
  }
  t.ok(told < 100, `${told} told`)
})

import t from 'tap'
import { MOST, Pace } from './pace.ts'

t.test('turns that leave something and end soon may do more, up to the most', t => {
  const pace = new Pace()
  const first = pace.units
  t.ok(first < MOST)
  pace.took(1, false)
  t.equal(pace.units, first, 'a turn with little to do says nothing')
  for (let i = 0; i < 20; i++) pace.took(1, true)
  t.equal(pace.units, MOST)
  t.end()
})

t.test('turns that last too long do less, and something always', t => {
  const pace = new Pace()
  const first = pace.units
  pace.took(9, false)
  t.equal(pace.units, first / 2)
  for (let i = 0; i < 20; i++) pace.took(100, true)
  t.ok(pace.units > 0 && pace.units < first)
  const few = pace.units
  pace.took(5, true)
  t.equal(pace.units, few, 'neither long nor short: as it is')
  t.end()
})

t.test('a number that is given is that of every turn', t => {
  const pace = new Pace(10)
  pace.took(100, true)
  pace.took(0, true)
  t.equal(pace.units, 10)
  t.end()
})

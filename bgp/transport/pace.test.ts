import t from 'tap'
import { Pace } from './pace.ts'

t.test('turns that leave something and end soon may do more, up to the most', t => {
  const pace = new Pace(2048)
  const first = pace.units
  t.ok(first < 2048)
  pace.took(1, false)
  t.equal(pace.units, first, 'a turn with little to do says nothing')
  for (let i = 0; i < 20; i++) pace.took(1, true)
  t.equal(pace.units, 2048)
  t.end()
})

t.test('turns that last too long do less, and something always', t => {
  const pace = new Pace(8192)
  const first = pace.units
  pace.took(9, false)
  t.equal(pace.units, first / 2)
  for (let i = 0; i < 20; i++) pace.took(100, true)
  t.ok(pace.units > 0 && pace.units < first)
  pace.took(5, true)
  const few = pace.units
  t.equal(pace.units, few, 'neither long nor short: as it is')
  t.end()
})

t.test('the most may be very little', t => {
  const pace = new Pace(1)
  pace.took(100, true)
  t.equal(pace.units, 1)
  pace.took(0, true)
  t.equal(pace.units, 1)
  t.end()
})

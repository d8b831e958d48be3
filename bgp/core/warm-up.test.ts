import t from 'tap'
import { families } from '../wire/family.ts'
import { HEADER_LENGTH, messageLength } from '../wire/header.ts'
import { UpdateDecoder } from '../wire/update.ts'
import type { Engine } from './engine.ts'
import { PART_UNITS, SyntheticTable } from './synthetic-table.ts'
import { onWork } from './test-work.ts'
import { SETS, STEP_UNITS, TABLES, warmUp } from './warm-up.ts'

for (const { family } of families) {
  t.test(`a table of ${family} is one that a peer may tell`, async t => {
    const table = new SyntheticTable(family, SETS, 65001)
    const decoder = new UpdateDecoder()
    const sum = { announced: 0, withdrawn: 0, messages: 0 }
    for (let n = 0; n < table.parts; n++) {
      let units = 0
      for (const octets of [table.part(n).announce, table.part(n).withdraw]) {
        units = 0
        for (let at = 0; at < octets.length; at += messageLength(octets, at)) {
          const end = at + messageLength(octets, at)
          const { do: verdict } = decoder.decode(octets, at + HEADER_LENGTH, end, { kind: 'ebgp', fourOctetAs: true })
          if (verdict !== 'accept') t.fail(`part ${n}: ${verdict}`)
          units += 1 + decoder.prefixes
          sum.messages++
          const gone = decoder.withdrawnTo > decoder.withdrawnFrom || decoder.unreach.prefixes > 0
          sum[gone ? 'withdrawn' : 'announced'] += decoder.prefixes
        }
        if (units > PART_UNITS) t.fail(`part ${n} has ${units} units`)
      }
    }
    t.equal(sum.messages, table.parts * 13, 'twelve sets a part, and one withdrawal')
    t.equal(sum.announced, sum.withdrawn)
    t.ok(sum.announced > 3.5 * SETS && sum.announced < 4.5 * SETS, `${sum.announced} prefixes`)
  })
}

t.test('whole tables pass, in steps of few units', async t => {
  const engines = new Set<Engine>()
  let asked = 0
  onWork(t, (engine, units) => {
    engines.add(engine)
    asked += units
  })
  let most = 0
  let steps = 0
  const all = warmUp()
  for (let turn = all.next(); ; turn = all.next()) {
    if (turn.done) {
      const told = families.flatMap(({ family }) => {
        const table = new SyntheticTable(family, SETS, 65001)
        return Array.from({ length: table.parts }, (_, n) => table.part(n).announce.length)
      })
      const least = 0.9 * TABLES * told.reduce((sum, octets) => sum + octets)
      t.ok(turn.value > least, `${turn.value} octets came out, of about as many that came in`)
      break
    }
    most = Math.max(most, turn.value, asked)
    asked = 0
    steps++
  }
  t.equal(engines.size, TABLES)
  t.ok(most <= STEP_UNITS, `${most} units in a step`)
  t.ok(steps < 5000, `${steps} steps`)
  for (const engine of engines) {
    t.match(engine.status(), [
      { state: 'Established', flaps: 0, prefixesReceived: 0 },
      { state: 'Established', flaps: 0, prefixesSent: 0 },
    ])
    const incidents = { discard: 0, withdraw: 0, reset: 0 }
    t.match(engine.counters(), [{ incidents }, { incidents }])
  }
})

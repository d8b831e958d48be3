import t from 'tap'
import { findPathMtu, type ProbeOutcome } from './path-mtu.ts'

/** A path that carries so much; `says`: what its router names of that, 0: it drops without a word. */
function path(carries: number, says: (octets: number) => number = () => 0) {
  const sent: number[] = []
  const probe = async (octets: number): Promise<ProbeOutcome> => {
    sent.push(octets)
    return octets <= carries ? { passed: true } : { passed: false, named: says(octets) }
  }
  return { sent, probe }
}

t.test('the greatest that passes is found, whatever it is', async t => {
  for (const says of [() => 0, (carries: number) => carries])
    for (const carries of [1280, 1281, 1400, 1450, 1499, 1500, 9000]) {
      const { probe, sent } = path(carries, () => says(carries))
      const most = Math.max(1500, carries)
      const found = await findPathMtu({ probe, least: 1280, most })
      t.match(found, { ok: true, octets: carries }, `${carries} of ${most}`)
      t.equal(found.probes, sent.length)
    }
})

t.test('a path that carries all takes one packet, a router that says what it takes a few', async t => {
  const whole = path(1500)
  await findPathMtu({ probe: whole.probe, least: 576, most: 1500 })
  t.same(whole.sent, [1500])
  const told = path(1400, () => 1400)
  await findPathMtu({ probe: told.probe, least: 576, most: 1500 })
  t.same(told.sent, [1500, 576, 1400])
})

t.test('several routers, each with less', async t => {
  const { probe } = path(1300, octets => (octets > 1400 ? 1400 : 1300))
  t.match(await findPathMtu({ probe, least: 576, most: 9000 }), { ok: true, octets: 1300 })
})

t.test('a router that names what does not pass either, or nonsense, leads nobody astray', async t => {
  for (const named of [1499, 9000, 3])
    t.match(await findPathMtu({ probe: path(1310, () => named).probe, least: 576, most: 1500 }), { octets: 1310 })
})

t.test('one lost packet changes nothing', async t => {
  let lost = false
  const { probe } = path(1450)
  const lossy = async (octets: number): Promise<ProbeOutcome> => {
    if (octets === 1450 && !lost) {
      lost = true
      return { passed: false, named: 0 }
    }
    return probe(octets)
  }
  t.match(await findPathMtu({ probe: lossy, least: 576, most: 1500 }), { octets: 1450 })
})

t.test('nobody there: said with the reason', async t => {
  const probe = async (): Promise<ProbeOutcome> => ({ passed: false, named: 0, why: 'no route leads there' })
  t.match(await findPathMtu({ probe, least: 576, most: 1500 }), { ok: false, why: 'no route leads there' })
})

import * as fc from 'fast-check'
import t from 'tap'
import { attributeOctets, octetsOfAddress } from '../groups/testing.ts'
import { AttributeSets, HAS_LOCAL_PREF, HAS_MED, STAYS_HERE, STAYS_IN_AS } from './attribute-sets.ts'
import { NextHops } from './next-hops.ts'

const make = () => new AttributeSets(new NextHops(), 3, 0)
const hop = octetsOfAddress('192.0.2.1')
const intern = (sets: AttributeSets, octets: Uint8Array, nextHop = hop) =>
  sets.intern(octets, 0, octets.length, nextHop)

t.test('equal octets and next hop are one set; another next hop is another set', async t => {
  const sets = make()
  const octets = attributeOctets({ path: [65001, 65002], med: 5 })
  const first = intern(sets, octets)
  t.equal(intern(sets, Uint8Array.from(octets)), first)
  t.equal(sets.references(first), 2)
  const other = intern(sets, octets, octetsOfAddress('192.0.2.2'))
  t.not(other, first)
  t.not(intern(sets, attributeOctets({ path: [65001, 65003], med: 5 })), first)
  t.equal(sets.size, 3)
  sets.release(first)
  sets.release(first)
  t.equal(sets.size, 2)
  t.equal(sets.nextHops.text(sets.nextHop[other]), '192.0.2.2')
})

t.test('the decision columns are read from the octets', async t => {
  const sets = make()
  const set = intern(
    sets,
    attributeOctets({
      path: [65001, 65002, [1, 2, 3]],
      origin: 'egp',
      med: 7,
      localPref: 250,
      communities: ['1:1', '65535:65281', '65535:65282'],
      originatorId: '10.0.0.9',
      clusterList: ['10.0.0.1', '10.0.0.2'],
    }),
  )
  t.equal(sets.pathLength[set], 3, 'an AS_SET counts as one')
  t.equal(sets.neighbourAs[set], 65001)
  t.equal(sets.origin[set], 1)
  t.equal(sets.med[set], 7)
  t.equal(sets.localPref[set], 250)
  t.equal(sets.originator(set), 0x0a000009)
  t.equal(sets.clusterListLength(set), 2)
  t.ok(sets.flags[set] & STAYS_IN_AS && sets.flags[set] & STAYS_HERE)
  const plain = intern(sets, attributeOctets({ path: [] }))
  t.equal(sets.localPref[plain], 100)
  t.equal(sets.flags[plain] & (HAS_LOCAL_PREF | HAS_MED), 0)
  t.equal(sets.originator(plain), undefined)
})

t.test('sets behave like a Map with reference counts, and leave nothing', async t => {
  const step = fc.tuple(fc.boolean(), fc.nat(30), fc.nat(3))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), list => {
      const sets = make()
      const model = new Map<string, { id: number; count: number; octets: Uint8Array }>()
      for (const [add, n, h] of list) {
        const octets = attributeOctets({ path: [n + 1, ...Array.from({ length: n % 7 }, (_, i) => i + 1)] })
        const key = `${n} ${h}`
        const known = model.get(key)
        if (add) {
          const id = intern(sets, octets, octetsOfAddress(`192.0.2.${h}`))
          if (known && known.id !== id) throw new Error('another id')
          if (known) known.count++
          else model.set(key, { id, count: 1, octets })
        } else if (known) {
          sets.release(known.id)
          if (--known.count === 0) model.delete(key)
        }
      }
      if (sets.size !== model.size) throw new Error('size differs')
      for (const { id, count, octets } of model.values()) {
        if (sets.references(id) !== count) throw new Error('references differ')
        const kept = sets.octets.slice(sets.from(id), sets.to(id))
        if (Buffer.compare(kept, octets) !== 0) throw new Error('octets differ')
        for (let i = 0; i < count; i++) sets.release(id)
      }
      if (sets.size !== 0) throw new Error('something is left')
    }),
    { numRuns: 60, seed: 42 },
  )
  t.pass()
})

t.test('the space of freed sets is won back in slices while sets come and go', async t => {
  const sets = make()
  const octets = (n: number) => attributeOctets({ path: [n + 1, ...Array.from({ length: n % 50 }, (_, i) => i + 1)] })
  const kept = new Map<number, number>()
  for (let n = 0; n < 20_000; n++) {
    const id = intern(sets, octets(n))
    if (n % 10 === 0) kept.set(n, id)
    else sets.release(id)
  }
  const full = sets.arenaUsed
  t.ok(sets.wasteful)
  for (let slices = 0; sets.wasteful; slices++) {
    t.ok(sets.compact(500) <= 500 && slices < 100)
    const n = 100_000 + slices
    kept.set(n, intern(sets, octets(n)))
  }
  t.ok(sets.arenaUsed * 5 < full, `${sets.arenaUsed} of ${full}`)
  for (const [n, id] of kept) {
    if (Buffer.compare(sets.octets.slice(sets.from(id), sets.to(id)), octets(n)) !== 0) t.fail(`set ${n} changed`)
    if (intern(sets, octets(n)) !== id) t.fail(`set ${n} is not found`)
  }
})

t.test('next hops: what was told outlives the sets, and both IPv6 forms are one address', async t => {
  const hops = new NextHops()
  t.notOk(hops.tell([{ address: '2001:db8::1', reachable: false, metric: 5 }]), 'nobody uses it')
  const global = octetsOfAddress('2001:db8::1')
  const both = Uint8Array.from([...global, ...octetsOfAddress('fe80::1')])
  const [a, b] = [hops.obtain(global), hops.obtain(both)]
  t.not(a, b)
  t.equal(hops.text(b), '2001:db8::1')
  t.same([hops.reachable(a), hops.reachable(b), hops.metric(b)], [false, false, 5])
  t.ok(hops.tell([{ address: '2001:db8::1', reachable: true, metric: 5 }]))
  t.ok(hops.touched(a) && hops.touched(b))
  hops.clearTouched()
  t.notOk(hops.touched(a))
  t.notOk(hops.tell([{ address: '2001:db8::1', reachable: true, metric: 5 }]), 'nothing new')
})

// The table of next hops beside a naive one that keeps everything as text.

import t from 'tap'
import { parseAddress } from '../../inet/index.ts'
import { Random } from '../fsm/random.ts'
import { NextHops, withZone } from './next-hops.ts'

const octetsOf = (text: string): Uint8Array => {
  const parts = text === '' ? [] : text.split(' ')
  return Uint8Array.from(parts.flatMap(part => [...(parseAddress(part)?.octets ?? [])]))
}

const v4 = ['192.0.2.1', '192.0.2.2', '255.255.255.254']
const v6 = [
  '2001:db8::1',
  '2001:db8::2',
  '::ffff:192.0.2.1',
  '2001:db8::1 fe80::1',
  '2001:db8::1 fe80::2',
  ':: fe80::7',
]

t.test('what is told of an address holds for every next hop that is shown by it, also for one that comes later', t => {
  for (const size of [4, 16] as const) {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new Random(seed)
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)]
      const table = new NextHops(size)
      const told = new Map<string, { reachable: boolean; metric: number }>()
      const used: { text: string; id: number }[] = []
      const all = ['', ...v4, ...v6]
      for (let step = 0; step < 300; step++) {
        const text = pick(all)
        const act = random.next()
        if (act < 0.45) used.push({ text, id: table.obtain(octetsOf(text)) })
        else if (act < 0.75 && used.length > 0) {
          const [gone] = used.splice(Math.floor(random.next() * used.length), 1)
          table.release(gone.id)
        } else {
          const state = { reachable: random.next() < 0.5, metric: random.next() < 0.5 ? 0 : 4_000_000_000 }
          const address = pick([...v4, '2001:db8::1', '2001:db8::2', 'fe80::7'])
          const before = told.get(address) ?? { reachable: true, metric: 0 }
          const isNews = before.reachable !== state.reachable || before.metric !== state.metric
          const users = used.filter(one => table.text(one.id) === address)
          const changed = table.tell([{ address, ...state }])
          if (changed !== (isNews && users.length > 0)) t.fail(`${size} ${seed} ${step}: changed ${changed}`)
          if (changed && !users.every(one => table.touched(one.id))) t.fail(`${size} ${seed} ${step}: not touched`)
          table.clearTouched()
          if (used.some(one => table.touched(one.id))) t.fail(`${size} ${seed} ${step}: still touched`)
          told.set(address, state)
        }
        for (const { text, id } of used) {
          const { reachable, metric } = told.get(table.text(id)) ?? { reachable: true, metric: 0 }
          const isRight =
            table.reachable(id) === reachable &&
            table.metric(id) === metric &&
            Buffer.compare(table.octets(id), octetsOf(text)) === 0
          if (!isRight) t.fail(`${size} ${seed} ${step}: ${text} is ${table.reachable(id)} ${table.metric(id)}`)
        }
        const same = new Set(used.map(one => one.text)).size === new Set(used.map(one => one.id)).size
        if (!same) t.fail(`${size} ${seed} ${step}: ids and next hops differ in number`)
      }
      const foreign = new Set(used.filter(one => octetsOf(one.text).length > 4).map(one => one.id)).size
      if (table.foreign !== (size === 4 ? foreign : 0)) t.fail(`${size} ${seed}: ${table.foreign} foreign ones`)
    }
  }
  t.end()
})

t.test('a link-local next hop is that of its link alone', t => {
  const table = new NextHops(16)
  const on = (zone: string): number => table.obtain(withZone(octetsOf('fe80::1'), table.zone(zone)))
  const [a, b] = [on('eth0'), on('eth1')]
  t.strictSame([table.text(a), table.text(b)], ['fe80::1%eth0', 'fe80::1%eth1'])
  t.notOk(table.tell([{ address: 'fe80::1', reachable: false, metric: 0 }]), 'without its link nobody is meant')
  t.notOk(table.tell([{ address: 'fe80::1%eth9', reachable: false, metric: 0 }]), 'nor by a link that is unknown')
  t.ok(table.tell([{ address: 'fe80::1%eth1', reachable: false, metric: 0 }]))
  t.strictSame([table.reachable(a), table.reachable(b)], [true, false])
  t.end()
})

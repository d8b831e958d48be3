import t from 'tap'
import { MemoryNodeStore } from '../datastore/memory.ts'
import { SettingRecords, sysctlTable } from './setting-records.ts'

const link = (index: number, name: string) => ({ index, name, up: true, carrier: true, mtu: 1500 })
const setting = (device: string, value = '0') =>
  ({ name: `net/ipv4/conf/${device}/ignore_routes_with_linkdown`, value }) as const

t.test('the value from before the first change is kept, and goes with a link to its new name', async t => {
  const store = new MemoryNodeStore()
  const records = new SettingRecords(store)
  const kept = async () =>
    (await store.all(sysctlTable)).map(({ key, value }) => `${key.split('/')[3]} ${String(value)}`).toSorted()
  await records.note([setting('eth0'), setting('eth1', '2')], [link(1, 'eth0'), link(2, 'eth1')])
  await records.note([setting('eth0', '5')], [link(1, 'eth0'), link(2, 'eth1')])
  t.same(await kept(), ['eth0 0', 'eth1 2'], 'who changes it again between changes nothing')
  await records.note([], [link(1, 'eth0'), link(2, 'uplink')])
  t.same(await kept(), ['eth0 0', 'uplink 2'])
  await records.note([], [link(1, 'uplink'), link(2, 'eth0')])
  t.same(await kept(), ['eth0 2', 'uplink 0'], 'names that were swapped')
  await records.note([setting('eth1')], [link(2, 'eth0'), link(3, 'eth1')])
  t.same(await kept(), ['eth0 2', 'eth1 0', 'uplink 0'])
})

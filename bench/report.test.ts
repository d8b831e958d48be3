// What Margay is measured against.

import t from 'tap'
import { chart } from './chart.ts'
import { compare, summaryRow } from './report.ts'
import type { Result } from './results.ts'

const row = 'netlink, add'
const found = (device: string, wall: number): Result => ({
  scenario: 'netlink',
  size: '100,000',
  row,
  device,
  version: '',
  wall: [wall],
  cpu: [wall],
  memory: [0],
  generator: [0],
})
const results = [found('margay', 0.8), found('ip-batch', 2), found('netlink-floor', 0.5)]

t.test('a floor is no competitor', async t => {
  for (const measure of ['wall', 'cpu'] as const)
    t.match(compare(results, row, '100,000', measure), { best: { device: 'ip-batch' }, ratio: 0.4 }, measure)
  const text = chart(results)
  t.match(text, 'ip -batch 2.0 s')
  t.notMatch(text, 'floor')
})

t.test('what must not happen at all may not happen in one round of three', async t => {
  const carrier = { ...found('margay', 0), row: 'failover, carrier', wall: [0, 0, 0], count: [0, 3, 0] }
  const verdict = (result: Result) =>
    summaryRow([result], 'failover, carrier', '100,000', { count: 0, counts: 'packets' })
  t.match(verdict({ ...carrier, count: [0, 0, 0] }), '✔')
  t.match(verdict(carrier), /0 packets, at most 3 \(×3\).*✘/)
  t.match(verdict({ ...carrier, count: [0], wall: [0], failed: 'a session ended' }), /\(×1, then failed\).*✘/)
})

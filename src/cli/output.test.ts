import t from 'tap'
import { duration, table } from './output.ts'

t.test('columns are as wide as their widest cell, and empty cells show', async t => {
  t.equal(
    table(
      [
        { head: 'PEER', cell: (row: { name: string; count?: number }) => row.name },
        { head: 'PFX', cell: row => row.count, align: 'right' },
      ],
      [{ name: 'tor1', count: 1200 }, { name: 'a-long-name' }],
    ),
    ['PEER          PFX', 'tor1         1200', 'a-long-name     -'].join('\n'),
  )
})

t.test('durations', async t => {
  for (const [seconds, text] of [
    [4.9, '4s'],
    [725, '12m05s'],
    [11_220, '3h07m'],
    [187_200, '2d04h'],
  ] as const)
    t.equal(duration(seconds), text)
})

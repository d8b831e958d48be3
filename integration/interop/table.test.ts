// The whole matrix, after the daemons' own tests have written their columns.

import t from 'tap'
import { daemons } from './daemons/index.ts'
import { featureNames, features } from './features/index.ts'
import { readTable } from './kit/table.ts'

t.test('no cell is empty: each is a test that passed, or a reason', async t => {
  const columns = await readTable()
  t.equal(columns.length, daemons.length)
  for (const [i, { title, lacks }] of daemons.entries()) {
    for (const name of featureNames) {
      t.equal(columns[i].cells.get(features[name].title), lacks[name] ? '–' : '✔', `${title}: ${features[name].title}`)
    }
  }
})

t.test('features have titles of their own', async t => {
  const titles = featureNames.map(name => features[name].title)
  t.equal(new Set(titles).size, titles.length)
})

import t from 'tap'
import { ipamText } from './ipam.ts'

const view = { node: 'n1', blocks: [], addresses: [], problems: [] }

t.test('a node that was decommissioned is not said to claim a block', async t => {
  t.equal(ipamText(view), 'n1 owns no block: it claims one with its next pod')
  const expelled = 'node "n1": it was decommissioned'
  t.equal(ipamText({ ...view, expelled, problems: [expelled] }), `n1 owns no block\n\n! ${expelled}`)
})

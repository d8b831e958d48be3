import t from 'tap'
import { parsePrefix } from '../../inet/index.ts'
import { ipamText, sizeText } from './ipam.ts'

const view = { node: 'n1', blocks: [], addresses: [], problems: [] }

t.test('a node that was decommissioned is not said to claim a block', async t => {
  t.equal(ipamText(view), 'n1 owns no block: it claims one with its next pod')
  const expelled = 'node "n1": it was decommissioned'
  t.equal(ipamText({ ...view, expelled, problems: [expelled] }), `n1 owns no block\n\n! ${expelled}`)
})

t.test('the size of a wide IPv6 pool is told as a power of two', async t => {
  t.equal(sizeText(parsePrefix('10.42.0.0/16')!), 65_536)
  t.equal(sizeText(parsePrefix('fd00:42::/112')!), 65_536)
  t.equal(sizeText(parsePrefix('fd00:42::/48')!), '2^80')
})

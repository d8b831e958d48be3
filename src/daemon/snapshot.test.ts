import t from 'tap'
import { unconfirmed } from './snapshot.ts'

t.test('a block that a checkpoint names as ours is not announced unless the node itself holds it', t => {
  const blocks = [
    { cidr: '10.42.0.0/26', node: 'n1' },
    { cidr: '10.42.0.64/26', node: 'n1' },
    { cidr: '10.42.0.128/26', node: 'n2' },
  ]
  t.same(unconfirmed(blocks, 'n1', ['10.42.0.0/26', '10.42.9.0/26']), ['10.42.0.64/26'])
  t.end()
})

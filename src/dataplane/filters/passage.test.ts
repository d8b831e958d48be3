// What the rules of others do to pods: the words of iptables-save in, a verdict out.

import t from 'tap'
import { parsePrefix } from '../../../inet/index.ts'
import { tableOfSave } from './iptables.ts'
import { hasComment, verdictOf } from './passage.ts'

const head = ['*filter', ':INPUT ACCEPT [0:0]', ':FORWARD DROP [0:0]', ':USER - [0:0]', ':LOOP - [0:0]']
const table = (rules: readonly string[], family: 4 | 6 = 4) =>
  tableOfSave([...head, ...rules.map(rule => `-A ${rule}`), 'COMMIT'].join('\n'), family)

for (const [name, rules, from, to, pool = '10.42.0.0/16'] of [
  ['nothing is said', [], undefined, undefined],
  ['everything is accepted', ['FORWARD -j ACCEPT'], 'accept', 'accept'],
  ['devices of pods, from', ['FORWARD -i mgy+ -j ACCEPT'], 'accept', undefined],
  ['devices of pods, to', ['FORWARD -o mgy+ -j ACCEPT'], undefined, 'accept'],
  ['one device of a pod', ['FORWARD -i mgy0123456789a -j ACCEPT'], undefined, undefined],
  ['other devices', ['FORWARD -i docker0 -j DROP', 'FORWARD ! -i docker0 -j ACCEPT'], 'accept', undefined],
  ['Calico', ['FORWARD -i cali+ -j ACCEPT', 'FORWARD -o cali+ -j ACCEPT'], undefined, undefined],
  ['the pool', ['FORWARD -s 10.42.0.0/16 -j ACCEPT', 'FORWARD -d 10.42.0.0/16 -j ACCEPT'], 'accept', 'accept'],
  ['a wider range', ['FORWARD -s 10.40.0.0/13 -j ACCEPT'], 'accept', undefined],
  ['a part of the pool', ['FORWARD -s 10.42.0.0/17 -j ACCEPT'], undefined, undefined],
  ['another range', ['FORWARD ! -d 192.168.0.0/16 -j ACCEPT'], undefined, 'accept'],
  ['a host', ['FORWARD -s 10.42.0.7 -j ACCEPT'], undefined, undefined],
  ['IPv6', ['FORWARD -s fd00:42::/32 -j ACCEPT'], 'accept', undefined, 'fd00:42::/48'],
  ['a port', ['FORWARD -i mgy+ -p tcp -m tcp --dport 80 -j ACCEPT'], undefined, undefined],
  ['a connection', ['FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'], undefined, undefined],
  [
    'refused before',
    ['FORWARD -i mgy+ -j REJECT --reject-with icmp-port-unreachable', 'FORWARD -j ACCEPT'],
    'drop',
    'accept',
  ],
  ['refused to some before', ['FORWARD -p udp -j DROP', 'FORWARD -j ACCEPT'], 'accept', 'accept'],
  ['by another chain', ['FORWARD -j USER', 'USER -i mgy+ -j ACCEPT', 'USER -j RETURN'], 'accept', undefined],
  ['behind a return', ['FORWARD -j USER', 'USER -j RETURN', 'USER -j ACCEPT'], undefined, undefined],
  ['goto does not come back', ['FORWARD -g USER', 'FORWARD -j ACCEPT'], undefined, undefined],
  ['a chain that nobody jumps to', ['USER -j ACCEPT'], undefined, undefined],
  ['a chain that is not there', ['FORWARD -j LOG', 'FORWARD -j ACCEPT'], 'accept', 'accept'],
  ['a circle, which the kernel refuses', ['FORWARD -j LOOP', 'LOOP -j LOOP'], undefined, undefined],
  ['a comment is no condition', ['FORWARD -m comment --comment "a b" -j ACCEPT'], 'accept', 'accept'],
] as const)
  t.test(name, async t => {
    const prefix = parsePrefix(pool)!
    const filter = table(rules, prefix.family)
    const forward = filter.chains.find(chain => chain.name === 'FORWARD')!
    t.equal(forward.hook?.policy, 'drop')
    t.equal(verdictOf(filter, forward, { direction: 'from', pool: prefix }), from, 'from pods')
    t.equal(verdictOf(filter, forward, { direction: 'to', pool: prefix }), to, 'to pods')
  })

t.test('a rule is known by all of its comment', async t => {
  const { chains } = table(['USER -i mgy+ -m comment --comment "added by margayd" -j ACCEPT'])
  const [rule] = chains.find(chain => chain.name === 'USER')!.rules
  t.ok(hasComment(rule, 'added by margayd'))
  t.notOk(hasComment(rule, 'margay'))
})

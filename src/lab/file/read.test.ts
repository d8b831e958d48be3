import { globSync, readFileSync } from 'node:fs'
import t from 'tap'
import { formatProblem } from '../../resources/problem.ts'
import { planTopology } from '../topology.ts'
import { readLab } from './read.ts'

const labs = new URL('../../../configs/labs/', import.meta.url).pathname

t.test('every lab that comes with the tree can be drawn', async t => {
  const files = globSync(`${labs}*.yaml`)
  t.ok(files.length >= 3)
  for (const file of files) {
    const reading = readLab(readFileSync(file, 'utf8'), file)
    if (!reading.ok) throw new Error(reading.problems.map(formatProblem).join('\n'))
    const planning = planTopology(reading.value)
    t.ok(planning.ok, file)
    t.ok(
      reading.value.resources.some(resource => resource.kind === 'IPPool'),
      'it has a pool',
    )
  }
})

t.test('the resources keep their lines when the lab is blanked out', async t => {
  const text = 'name: x\nsubnets: [{ name: lan, ipv4: 10.0.0.0/24 }]\n---\nkind: IPPool\nmetadata: { name: a }\n'
  const reading = readLab(text, 'x.yaml')
  if (!reading.ok) throw new Error('refused')
  t.equal(reading.value.resourceText, '\n\n---\nkind: IPPool\nmetadata: { name: a }\n')
  t.match(reading.value.resources, [{ kind: 'IPPool', name: 'a' }])
})

const head = 'name: x\nsubnets: [{ name: lan, ipv4: 10.0.0.0/24, ipv6: "fd00::/64" }]\n'

t.test('a refusal names value, reason, place and next step', async t => {
  for (const c of [
    {
      name: 'a mistyped key',
      text: `${head}node: []\n`,
      place: '3:1',
      says: [/node is not a field/, /Did you mean nodes\?/],
    },
    {
      name: 'a mistyped key deep down',
      text: `${head}routers:\n  - { name: tor, kind: bird, asn: 1, routerID: 1.1.1.1, interfaces: [{ subnet: lan }] }\n`,
      place: '4:38',
      says: [/routers\[0\]\.routerID is not a field/, /Did you mean routerId\?/],
    },
    {
      name: 'a kind of router that does not exist',
      text: `${head}routers:\n  - { name: tor, kind: cisco, asn: 1, routerId: 1.1.1.1, interfaces: [{ subnet: lan }] }\n`,
      place: '4:24',
      says: [/cisco is not one of its values/],
    },
    {
      name: 'an AS number out of range',
      text: `${head}nodes:\n  - { name: n1, asn: 0, interfaces: [{ subnet: lan }] }\n`,
      place: '4:22',
      says: [/asn 0 is not an AS number/, /4294967295/],
    },
    {
      name: 'an address with a length',
      text: `${head}nodes:\n  - { name: n1, interfaces: [{ subnet: lan, ipv4: 10.0.0.1/24 }] }\n`,
      place: '4:51',
      says: [/10\.0\.0\.1\/24 is not an IPv4 address/, /without a length/],
    },
    { name: 'a missing name', text: 'subnets: [{ name: lan }]\n', place: '1:1', says: [/name is missing/] },
    {
      name: 'a host without an interface',
      text: `${head}nodes:\n  - { name: n1 }\n`,
      place: '4:5',
      says: [/interfaces is missing/],
    },
    {
      name: 'a name that is no namespace',
      text: `${head}nodes:\n  - { name: N_1, interfaces: [] }\n`,
      place: '4:13',
      says: [/N_1 is not a name/],
    },
    { name: 'no subnet', text: 'name: x\nsubnets: []\n', place: '2:1', says: [/subnets is empty/] },
    {
      name: 'half a pod',
      text: `${head}nodes:\n  - { name: n, pods: 1.5, interfaces: [{ subnet: lan }] }\n`,
      place: '4:22',
      says: [/pods 1\.5 is neither/],
    },
    { name: 'no YAML', text: 'name: [\n', place: '2:1', says: [/not YAML/] },
    { name: 'an empty file', text: '', place: '1:1', says: [/describes no lab/, /configs\/labs/] },
  ])
    t.test(c.name, async t => {
      const reading = readLab(c.text, 'bad.yaml')
      if (reading.ok) throw new Error('it was taken')
      const text = formatProblem(reading.problems[0])
      t.match(text, `bad.yaml:${c.place} `)
      for (const says of c.says) t.match(text, says)
    })
})

t.test('what the schema cannot see is refused as well', async t => {
  const node = (name: string, ipv4: string, more = '') =>
    `  - { name: ${name}, interfaces: [{ subnet: lan, ipv4: ${ipv4} }]${more} }\n`
  const router = (more: string) =>
    `routers:\n  - { name: tor, kind: bird, asn: 1, routerId: 1.1.1.1, interfaces: [{ subnet: lan, ipv4: 10.0.0.1 }]${more} }\n`
  for (const c of [
    {
      name: 'one name for two hosts',
      text: `nodes:\n${node('n', '10.0.0.1')}${node('n', '10.0.0.2')}`,
      says: /n is already a node/,
    },
    {
      name: 'one address for two hosts',
      text: `nodes:\n${node('a', '10.0.0.1')}${node('b', '10.0.0.1')}`,
      says: /10\.0\.0\.1 stands twice/,
    },
    {
      name: 'an address of another subnet',
      text: `nodes:\n${node('a', '10.9.0.1')}`,
      says: /10\.9\.0\.1 is not in subnet lan \(10\.0\.0\.0\/24\)/,
    },
    {
      name: 'one loopback address for two nodes',
      text: `nodes:\n${node('a', '10.0.0.1', ', loopback: { ipv4: 10.9.9.9 }')}${node('b', '10.0.0.2', ', loopback: { ipv4: 10.9.9.9 }')}`,
      says: /10\.9\.9\.9 stands twice on a loopback/,
    },
    {
      name: 'an unknown subnet',
      text: 'nodes:\n  - { name: a, interfaces: [{ subnet: lam }] }\n',
      says: /no subnet lam[\s\S]*Did you mean lan\?/,
    },
    {
      name: 'an unknown neighbour',
      text: `${router(', neighbours: [{ host: n9 }]')}nodes:\n${node('n1', '10.0.0.2')}`,
      says: /no host n9[\s\S]*Did you mean n1\?/,
    },
    {
      name: 'a BIRD that would have to find its neighbour',
      text: `subnets: [{ name: lan }]\nrouters:\n  - { name: tor, kind: bird, asn: 1, routerId: 1.1.1.1, interfaces: [{ subnet: lan }], neighbours: [{ host: a }] }\nnodes:\n  - { name: a, interfaces: [{ subnet: lan }] }\n`,
      head: 'name: x\n',
      says: /a has no address on the subnet that it shares with tor[\s\S]*make the router an FRR/,
    },
    {
      name: 'an announced subnet that is not its own',
      text: router(', announce: [lab]'),
      says: /no subnet of this router lab/,
    },
    {
      name: 'a gateway elsewhere',
      text: `${router('')}nodes:\n${node('n1', '10.0.0.2', ', gateway: n1')}`,
      says: /n1 and n1 share no subnet/,
    },
    { name: 'a host called switch', text: `nodes:\n${node('switch', '10.0.0.2')}`, says: /switch is already/ },
  ])
    t.test(c.name, async t => {
      const reading = readLab((c.head ?? head) + c.text, 'bad.yaml')
      if (!reading.ok) throw new Error(reading.problems.map(formatProblem).join('\n'))
      const planning = planTopology(reading.value)
      if (planning.ok) throw new Error('it was taken')
      t.match(formatProblem(planning.problems[0]), c.says)
      t.match(formatProblem(planning.problems[0]), /bad\.yaml:\d+:\d+ /)
    })
})

// Echoes over a veth pair whose ends are namespaces; the sender is a process of its own, in one of them.

import { execFileSync } from 'node:child_process'
import { basename } from 'node:path'
import t from 'tap'
import { answering, type EchoOutcome } from './echo.ts'
import { namespace } from './test-namespace.ts'

/** Two namespaces with a cable between; addresses end with 1 and 2. */
function pair(t: Parameters<typeof namespace>[0]) {
  const [here, there] = [namespace(t), namespace(t)]
  here.ip(`link add v0 type veth peer name v0 netns ${basename(there.path)}`)
  for (const [ns, n] of [
    [here, 1],
    [there, 2],
  ] as const) {
    ns.ip('link set v0 up')
    ns.ip(`address add 10.0.0.${n}/24 dev v0`)
    ns.ip(`address add fd00::${n}/64 dev v0 nodad`)
  }
  return [here, there] as const
}

t.test('answered, too big for the link, no answer, no route', async t => {
  const [here] = pair(t)
  const cases = [
    ['10.0.0.2', 1500, { what: 'answered' }],
    ['10.0.0.2', 1499, { what: 'answered' }],
    ['10.0.0.2', 1501, { what: 'too big', mtu: 1500 }],
    ['fd00::2', 1500, { what: 'answered' }],
    ['fd00::2', 1501, { what: 'too big', mtu: 1500 }],
    ['192.0.2.1', 100, { what: 'no answer', code: 'ENETUNREACH' }],
    ['203.0.113.9', 100, { what: 'no answer', code: 'ETIMEDOUT' }],
  ] as const
  here.ip('route add 203.0.113.0/24 via 10.0.0.2')
  const script = `import(${JSON.stringify(new URL('echo.ts', import.meta.url))}).then(async ({ echo }) => {
    const all = []
    for (const [to, octets] of ${JSON.stringify(cases)}) all.push(await echo({ to, octets, wait: to.startsWith('203') ? 100 : 20000 }))
    console.log(JSON.stringify(all))
  })`
  const child = [
    'netns',
    'exec',
    basename(here.path),
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    '-e',
    script,
  ]
  const outcomes = JSON.parse(execFileSync('ip', child, { encoding: 'utf8' })) as EchoOutcome[]
  for (const [i, [to, octets, expected]] of cases.entries()) t.same(outcomes[i], expected, `${octets} to ${to}`)
})

t.test('of many, those that answer', async t => {
  const [here, there] = pair(t)
  const netns = here.path
  const to = ['10.0.0.2', 'fd00::9', 'fd00::2', '10.0.0.9', '192.0.2.1', '10.0.0.1', 'fd00::1']
  t.same(await answering({ netns, to, wait: 1500 }), [true, false, true, false, false, true, true])
  t.same(await answering({ netns, to: [], wait: 1500 }), [])
  const late = answering({ netns, to: ['10.0.0.3', 'fd00::3'], wait: 60_000 })
  for (const address of ['10.0.0.3/24', 'fd00::3/64']) there.ip(`address add ${address} dev v0`)
  t.same(await late, [true, true], 'who comes meanwhile is asked again')
  await t.rejects(answering({ netns, to: ['10.0.0'], wait: 100 }), { code: 'EINVAL' })
  await t.rejects(answering({ netns: '/run/netns/mgn-never', to, wait: 100 }), { code: 'ENOENT', message: /mgn-never/ })
})

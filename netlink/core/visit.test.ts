import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { open, visit } from '../index.ts'
import { namespace } from '../test-namespace.ts'

const threads = (): number => readdirSync('/proc/self/task').length

t.test('visits ask and change the namespace that each is for, in order, by one thread', async t => {
  const places = [namespace(t), namespace(t), namespace(t)]
  await (await visit(places[0].path)).close()
  const before = threads()
  const visits = await Promise.all(places.map(({ path }) => visit(path)))
  t.equal(threads(), before)
  const names = await Promise.all(
    visits.map(async (one, i) => {
      const add = one.apply([{ do: 'link.add', link: { kind: 'veth', name: `host${i}`, peer: { name: `pod${i}` } } }])
      const [[result], links] = await Promise.all([add, one.links()])
      t.ok(result.ok)
      return links.map(({ name }) => name).filter(name => /^host\d$/.test(name))
    }),
  )
  t.same(names, [['host0'], ['host1'], ['host2']])
  const [refused] = await visits[1].apply([
    { do: 'link.add', link: { kind: 'veth', name: 'host1', peer: { name: 'pod' } } },
  ])
  t.match(refused, { ok: false, errno: 'EEXIST' })
  t.equal(await visits[1].link('host2'), undefined)
  for (const one of visits) await one.close()
  await using home = await open()
  t.notOk((await home.links()).some(({ name }) => /^host\d$/.test(name)))
})

t.test('a visit that is over keeps nothing: the namespace ends with its name', async t => {
  const [one, other] = [namespace(t), namespace(t)]
  one.ip(`link add name one type veth peer name two netns ${other.name}`)
  await using seen = await open({ netns: other.path })
  const visiting = await visit(one.path)
  t.ok(await visiting.link('one'))
  execFileSync('ip', ['netns', 'del', one.name])
  t.ok(await visiting.link('one'), 'until then it lives without a name')
  await visiting.close()
  for (let i = 0; (await seen.link('two')) && i < 500; i++) await sleep(10)
  t.equal(await seen.link('two'), undefined)
  await t.rejects(visiting.link('one'), { code: 'EBADF' })
})

t.test('what is no namespace, and what a visit cannot do, is refused', async t => {
  await t.rejects(visit('/run/netns/mgn-none'), { code: 'ENOENT', message: /"\/run\/netns\/mgn-none" does not exist/ })
  await t.rejects(visit('/proc/self/ns/uts'), { code: 'EINVAL', message: /is not a network namespace/ })
  await using one = await visit(namespace(t).path)
  await t.rejects(
    one.watch(['link'], () => {}),
    { code: 'EOPNOTSUPP' },
  )
})

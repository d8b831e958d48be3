// A table of our own on the real kernel: what the rules and the routes of main do to it is told, and the kernel is asked whether it is so.

import t, { type Test } from 'tap'
import { type FibEntry, fibClasses } from '../../model/fib.ts'
import { Dataplane } from '../dataplane.ts'
import { linuxKernel } from '../linux.ts'
import { skipWithoutRoot, TestNamespaces } from '../test-namespaces.ts'

const near: readonly FibEntry[] = [
  { prefix: '10.42.1.0/26', kind: 'unicast', nextHops: [{ device: 'eth0', gateway: '10.0.1.8' }] },
  { prefix: '10.43.0.0/16', kind: 'unicast', nextHops: [{ device: 'eth0', gateway: '10.0.1.8' }] },
  { prefix: 'fd00:42::/122', kind: 'unicast', nextHops: [{ device: 'eth0', gateway: 'fd00:1::8' }] },
]

async function world(t: Test) {
  const namespaces = new TestNamespaces()
  t.teardown(() => namespaces[Symbol.asyncDispose]())
  const path = await namespaces.add('table')
  const ip = (words: string): Promise<string> => namespaces.run(path, 'ip', ...words.split(' '))
  for (const words of [
    'link add eth0 type veth peer eth0p',
    'link set eth0 up',
    'link set eth0p up',
    'addr add 10.0.1.7/24 dev eth0',
    'addr add fd00:1::7/64 dev eth0 nodad',
    'route add default via 10.0.1.1',
  ])
    await ip(words)
  const plane = await Dataplane.open({ kernel: linuxKernel(path), mark: { table: 81 } })
  t.teardown(() => plane.close())
  const heard: string[] = []
  plane.onProblems(problems => heard.push(...problems))
  plane.routes.set('bgp', near)
  for (const name of fibClasses) plane.routes.inSync(name)
  await plane.routes.idle()
  /** Waits until exactly these are told, one pattern a sentence. */
  const until = async (...expected: RegExp[]): Promise<void> => {
    const isSo = (): boolean =>
      plane.problems.length === expected.length && expected.every((one, i) => one.test(plane.problems[i]))
    for (let tries = 0; !isSo(); tries++) {
      if (tries === 3_000) throw new Error(`not ${expected.join(', ')}: ${plane.problems.join('\n')}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    t.ok(
      expected.every(one => heard.some(text => one.test(text))),
      `${expected.join(', ')}: told as it comes, too`,
    )
  }
  /** Whether the kernel sends there by our gateway. */
  const isOurs = async (address: string): Promise<boolean> =>
    / via (10\.0\.1\.8|fd00:1::8) /.test(await ip(`route get ${address}`))
  /** Runs what a sentence advises. */
  const follow = async (pattern: RegExp, command: RegExp): Promise<void> => {
    const [, commands] = command.exec(plane.problems.find(text => pattern.test(text)) ?? '') ?? []
    await namespaces.run(path, 'sh', '-c', commands)
  }
  return { plane, ip, until, isOurs, follow }
}

t.test('no rule leads there: told for each family, and what is advised helps', { skip: skipWithoutRoot() }, async t => {
  const { plane, ip, until, isOurs, follow } = await world(t)
  const [four, six] = [/routeTable 81: no rule .* IPv4 .*add it: ip rule/, /no rule .* IPv6 .*add it: ip -6 rule/]
  await until(four, six)
  t.notOk(await isOurs('10.42.1.2'))
  t.match(plane.obstacle('10.42.1.0/26')?.text, four, 'route get, too')
  for (const family of [four, six]) await follow(family, /add it: (.*)$/)
  await until()
  for (const address of ['10.42.1.2', 'fd00:42::2']) t.ok(await isOurs(address), address)
  t.equal(plane.obstacle('10.42.1.0/26'), undefined)
  await ip('rule del pref 32001')
  await until(four)
  await follow(four, /add it: (.*)$/)
  await until()
  t.ok(await isOurs('10.42.1.2'), 'the one that was lost, alone')
  t.equal((await ip('rule')).match(/lookup 81/g)?.length, 1)
})

t.test('a wider route in main goes before ours: told with its name', { skip: skipWithoutRoot() }, async t => {
  const { plane, ip, until, isOurs, follow } = await world(t)
  for (const six of ['', '-6 ']) {
    await ip(`${six}rule add pref 32000 lookup main suppress_prefixlength 0`)
    await ip(`${six}rule add pref 32001 lookup 81`)
  }
  await until()
  await ip('route add 10.42.0.0/16 via 10.0.1.9 proto static')
  const wider =
    /^route 10\.42\.1\.0\/26 in table 81: not in force, .* 10\.42\.0\.0\/16 dev eth0 \(protocol 4.*: (ip route del .*)$/
  await until(wider)
  t.notOk(await isOurs('10.42.1.2'))
  t.match(plane.obstacle('10.42.1.0/26')?.text, wider)
  t.equal(plane.obstacle('10.43.0.0/16'), undefined)
  await follow(wider, wider)
  await until()
  t.ok(await isOurs('10.42.1.2'))
  await ip('route add 10.42.1.7/32 via 10.0.1.9')
  await ip('rule add pref 31000 from 10.9.9.9 lookup main')
  await ip('rule del pref 32001')
  await ip('rule add pref 40000 lookup 81')
  const behind =
    /^routes 10\.4.*, .* in table 81: not in force, .* 0\.0\.0\.0\/0 dev eth0 .*: (ip rule del pref 40000 .*)$/
  await until(behind)
  t.notOk(await isOurs('10.42.1.2'))
  await ip('rule del pref 32000')
  await until(behind)
  await follow(behind, behind)
  await until()
  t.ok(await isOurs('10.42.1.2'))
})

t.test('ours before main: a connected network that it hides is named', { skip: skipWithoutRoot() }, async t => {
  const { ip, until, isOurs, follow } = await world(t)
  await ip('-6 rule add pref 100 lookup 81')
  await ip('rule add pref 100 lookup 81')
  await until()
  await ip('addr add 10.43.7.1/24 dev eth0p')
  const hidden =
    /^route 10\.43\.7\.0\/24 dev eth0p .* is passed over, .* our 10\.43\.0\.0\/16 .*: (ip rule add pref 99 .*)$/
  await until(hidden)
  t.ok(await isOurs('10.43.7.9'))
  await follow(hidden, hidden)
  await until()
  t.notOk(await isOurs('10.43.7.9'))
})

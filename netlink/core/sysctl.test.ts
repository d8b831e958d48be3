import { readFileSync } from 'node:fs'
import t from 'tap'
import { readSysctl, readSysctls, writeSysctl, writeSysctls } from '../index.ts'
import { namespace } from '../test-namespace.ts'

const forward = 'net/ipv4/ip_forward'

t.test('settings are those of the namespace, and only there', async t => {
  const one = namespace(t)
  const two = namespace(t)
  const host = readFileSync(`/proc/sys/${forward}`, 'utf8').trim()
  const value = host === '1' ? 0 : 1
  await writeSysctl(one.path, forward, value)
  await writeSysctl(two.path, forward, 1 - value)
  t.equal(await readSysctl(one.path, forward), String(value))
  t.equal(await readSysctl(two.name, forward), String(1 - value))
  t.equal(await readSysctl(undefined, forward), host)
  t.equal(readFileSync(`/proc/sys/${forward}`, 'utf8').trim(), host, 'this thread never left its namespace')
})

t.test('a batch tries every setting and reports those that failed', async t => {
  const ns = namespace(t)
  ns.ip('link add eth0.7 type veth peer p0')
  const failed = await writeSysctls(ns.path, [
    { name: 'net/ipv4/conf/eth0.7/proxy_arp', value: 1 },
    { name: 'net/ipv4/conf/eth9/proxy_arp', value: 1 },
    { name: forward, value: 'maybe' },
    { name: 'net/ipv6/conf/eth0.7/accept_dad', value: 0 },
  ])
  t.match(failed, [
    {
      code: 'ENOENT',
      message: `sysctl net/ipv4/conf/eth9/proxy_arp = 1 in network namespace "${ns.path}": there is no such setting (is the link there?) (ENOENT)`,
    },
    { code: 'EINVAL', message: /net\/ipv4\/ip_forward = maybe .* does not accept the value/ },
  ])
  t.match(
    await readSysctls(ns.path, [
      'net/ipv4/conf/eth0.7/proxy_arp',
      'net/ipv6/conf/eth0.7/accept_dad',
      'net/ipv4/conf/eth9/proxy_arp',
    ]),
    ['1', '0', { code: 'ENOENT' }],
  )
})

t.test('a missing namespace and a name that leaves /proc/sys are refused', async t => {
  await t.rejects(writeSysctl('/run/netns/mgn-none', forward, 1), {
    code: 'ENOENT',
    message: /"\/run\/netns\/mgn-none" does not exist/,
  })
  for (const name of ['/proc/sys/net/ipv4/ip_forward', 'net/../../../etc/hostname', 'net//x', ''])
    await t.rejects(readSysctl(undefined, name), { code: 'EINVAL', message: /no name under \/proc\/sys/ })
  const { path } = namespace(t)
  await t.rejects(writeSysctl(path, forward, '1\0wother\0value'), { code: 'EINVAL', message: /NUL/ })
  await t.rejects(readSysctl(path, `${forward}\0`), { code: 'EINVAL', message: /NUL/ })
})

t.test('many settings at once, more than one page of answers, come in order', async t => {
  const { path } = namespace(t)
  const names = ['net/ipv4/tcp_rmem', forward, 'net/ipv4/conf/none/forwarding', 'net/ipv4/ip_local_port_range']
  const some = await readSysctls(path, names)
  t.match(some, [/^\d+\t\d+\t\d+$/, /^[01]$/, { code: 'ENOENT' }, /^\d+\t\d+$/])
  const all = await readSysctls(path, Array.from({ length: 4_000 }, () => names).flat())
  t.equal(all.length, 16_000)
  t.ok(all.every((one, i) => (one instanceof Error ? i % 4 === 2 : one === some[i % 4])))
  t.same(await readSysctls(path, []), [])
})

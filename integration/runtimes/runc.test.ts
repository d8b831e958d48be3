// runc from Debian's package, with nothing above it: hooks of config.json attach a container to Margay.

import { existsSync } from 'node:fs'
import t from 'tap'
import { eventually } from '../kit/lab.ts'
import { addressesIn, installed } from './kit/installed.ts'
import { reached } from './kit/reached.ts'
import { Runc } from './kit/runc.ts'

const { world, folder, binDir, confDir } = await installed(t, 'runc')
const { lab, node, remote } = world
const runc = new Runc(t, lab, node, folder, { binDir, confDir })
const given = async () => (await lab.ask(node, '/v1/ipam', {})).addresses

t.test(
  'a container has addresses, reaches pods of another node and is reached; deleted, it leaves nothing',
  async t => {
    const { id, ended } = await runc.run('web')
    t.equal(ended.code, 0, ended.stderr)
    const addresses = addressesIn((await runc.exec(id, 'ip', '-o', 'address', 'show', 'dev', 'eth0')).stdout)
    t.equal(addresses.length, 2, addresses.join(', '))
    const records = await given()
    t.same(records.map(each => each.address).toSorted(), addresses.toSorted())
    t.ok(
      records.every(record => record.containerId === id),
      'the node knows it by its id',
    )
    for (const target of ['10.8.0.11', ...Object.values(lab.addresses(remote.pod))])
      t.ok(await reached(`container → ${target}`, () => runc.exec(id, 'ping', '-c1', '-W10', target)))
    for (const each of addresses) t.ok(await reached(`remote pod → ${each}`, () => world.ping(remote.pod, each)))
    t.equal((await runc.delete(id)).code, 0)
    t.same(await world.leftOnNode(), [])
    t.notOk(existsSync(`/run/netns/runc-${id}`), 'nor the name of its namespace')
  },
)

t.test('a container that cannot be attached does not start, and the next can', async t => {
  await lab.apply(node, pool('disabled: true'))
  await eventually('the node knows', async () => (await world.leftOnNode()).length === 0)
  const { id, ended } = await runc.run('refused')
  t.not(ended.code, 0)
  t.match(ended.stderr, /hook/, 'runc says which hook refused')
  t.notOk(existsSync(`/run/netns/runc-${id}`))
  t.same(await given(), [])
  await lab.apply(node, pool('disabled: false'))
  const next = await eventually(
    'the next is attached',
    async () => {
      const tried = await runc.run(`next-${Date.now()}`)
      return tried.ended.code === 0 && tried
    },
    60,
  )
  t.equal((await given()).length, 2)
  await runc.delete(next.id)
  t.same(await given(), [])
})

/** Both pools, with a key more. */
function pool(key: string): string {
  return [
    ['pods-v4', '10.48.0.0/16'],
    ['pods-v6', 'fd00:48::/48'],
  ]
    .map(
      ([name, cidr]) =>
        `---\n{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: ${name} }, spec: { cidr: '${cidr}', ${key} } }\n`,
    )
    .join('')
}

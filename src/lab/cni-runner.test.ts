import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CniError, CniRunner } from './cni-runner.ts'

/** A plugin that writes what it was given beside itself, and answers `answer`. */
const plugin = (dir: string, answer: string, exit = 0): string => {
  const path = join(dir, 'plugin')
  writeFileSync(
    path,
    `#!/bin/sh\nenv | grep ^CNI_ | sort >"${dir}/env"\ncat >"${dir}/stdin"\ncat <<'END'\n${answer}\nEND\nexit ${exit}\n`,
  )
  chmodSync(path, 0o755)
  return path
}

const conf = { cniVersion: '1.1.0', name: 'net', type: 'plugin' }
const result = { cniVersion: '1.1.0', ips: [{ address: '10.42.0.1/32', interface: 1 }] }

t.test('ADD, CHECK and DEL as the specification has them', async t => {
  const dir = t.testdir({})
  const runner = new CniRunner({ plugin: plugin(dir, JSON.stringify(result)), conf, cacheDir: join(dir, 'cache') })
  const read = async (name: string) => (await import('node:fs/promises')).readFile(join(dir, name), 'utf8')

  t.same(await runner.add('web', '/run/netns/web', 'eth0', 'abc'), result)
  t.equal(
    await read('env'),
    [
      'CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=lab;K8S_POD_NAME=web',
      'CNI_COMMAND=ADD',
      'CNI_CONTAINERID=abc',
      'CNI_IFNAME=eth0',
      'CNI_NETNS=/run/netns/web',
      `CNI_PATH=${dir}`,
      '',
    ].join('\n'),
  )
  t.same(JSON.parse(await read('stdin')), conf)
  t.match(runner.list(), [{ container: 'web', containerId: 'abc', result }])

  await runner.check('web')
  t.same(JSON.parse(await read('stdin')), { ...conf, prevResult: result })

  await runner.del('web')
  t.match(await read('env'), /CNI_COMMAND=DEL/)
  t.same(runner.list(), [])
  await runner.del('web')
})

t.test('what was half attached is known, so that it can be deleted', async t => {
  const dir = t.testdir({})
  const refusal = JSON.stringify({ cniVersion: '1.1.0', code: 11, msg: 'no address', details: 'pool full' })
  const runner = new CniRunner({ plugin: plugin(dir, refusal, 1), conf, cacheDir: join(dir, 'cache') })
  await t.rejects(runner.add('web', '/run/netns/web'), new CniError(11, 'CNI ADD of web failed: no address: pool full'))
  t.equal(runner.get('web')?.result, undefined)
  t.equal(runner.list().length, 1)
})

t.test('a plugin that dies says what it can', async t => {
  const dir = t.testdir({})
  const runner = new CniRunner({ plugin: plugin(dir, '', 3), conf, cacheDir: join(dir, 'cache') })
  await t.rejects(runner.add('web', '/run/netns/web'), { code: 999, message: /without an answer: exit code 3/ })
})

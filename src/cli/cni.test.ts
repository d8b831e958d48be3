import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { buildStub } from '../../cni-plugin/stub/build.ts'
import { parseConfig } from '../api/config.ts'
import { findFaults, notesOn } from './cni-faults.ts'
import { install, uninstall } from './cni.ts'

buildStub()

const config = parseConfig('api: { socket: /nowhere/api.sock }', '/etc/margay/margayd.yaml', 'n1')
const options = (dir: string) => ({
  binDir: join(dir, 'opt/cni/bin'),
  confDir: join(dir, 'etc/cni/net.d'),
  name: 'margay',
  cniVersion: '1.0.0',
})

t.test('install, check, uninstall', async t => {
  const at = options(t.testdir())
  t.match(await findFaults(at, config), [/margay-cni is not there/, /10-margay\.conflist is not there/, /margayd/])
  const [executable, conf] = install(at, config)
  t.equal(statSync(executable).mode & 0o777, 0o755)
  t.strictSame(JSON.parse(readFileSync(conf, 'utf8')), {
    cniVersion: '1.0.0',
    name: 'margay',
    plugins: [
      { type: 'margay-cni', capabilities: { ips: true, mac: true, 'io.kubernetes.cri.pod-annotations': true } },
    ],
  })
  t.match(await findFaults(at, config), { length: 1, 0: /margayd/ }, 'only the daemon is missing')
  t.same([...readdirSync(at.binDir), ...readdirSync(at.confDir)], ['margay-cni', '10-margay.conflist'], 'no half file')
  install(at, config)
  t.same(uninstall(at), [conf, executable], 'the configuration goes first')
  t.same(uninstall(at), [])
})

t.test('the link that a package brought stays as it is', async t => {
  const at = options(t.testdir())
  mkdirSync(at.binDir, { recursive: true })
  symlinkSync(resolve('dist/margay-cni'), join(at.binDir, 'margay-cni'))
  const conf = join(at.confDir, '10-margay.conflist')
  t.same(install(at, config), [conf])
  t.match(await findFaults(at, config), { length: 1, 0: /margayd/ }, 'only the daemon is missing')
  t.same(uninstall(at), [conf])
  t.same(readdirSync(at.binDir), ['margay-cni'])
})

t.test('what differs from the usual is in the configuration, and plugins after ours', async t => {
  const at = options(t.testdir())
  const unusual = parseConfig('cni: { socket: /a/cni.sock, spoolDir: /a/spool }', '/a/margayd.yaml', 'n1')
  mkdirSync(at.binDir, { recursive: true })
  for (const type of ['portmap', 'tuning']) writeFileSync(join(at.binDir, type), '', { mode: 0o755 })
  const [, conf] = install({ ...at, chain: 'portmap, tuning' }, unusual)
  t.match(JSON.parse(readFileSync(conf, 'utf8')), {
    plugins: [
      { socket: '/a/cni.sock', spoolDir: '/a/spool' },
      { type: 'portmap', capabilities: { portMappings: true } },
      { type: 'tuning' },
    ],
  })
  rmSync(join(at.binDir, 'portmap'))
  const faults = (await findFaults(at, config)).join('\n')
  t.match(faults, /names socket \/a\/cni\.sock, and margayd listens at \/run\/margay\/cni\.sock/)
  t.match(faults, /calls portmap, which is not in/)
  t.match(faults, /names spoolDir \/a\/spool, and margayd looks for what was deleted without it in \/var\/lib\/margay/)
})

t.test('a plugin after ours that does not speak the version is named, before and after', async t => {
  const at = options(t.testdir())
  mkdirSync(at.binDir, { recursive: true })
  const answer = JSON.stringify({ cniVersion: '1.0.0', supportedVersions: ['0.4.0', '1.0.0'] })
  writeFileSync(join(at.binDir, 'portmap'), `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 })
  const newer = { ...at, chain: 'portmap', cniVersion: '1.1.0' }
  t.throws(() => install(newer, config), {
    message: /portmap, which does not speak --cni-version 1\.1\.0: take 1\.0\.0/,
  })
  const [, conf] = install({ ...newer, cniVersion: '1.0.0' }, config)
  t.match(await findFaults(at, config), { length: 1, 0: /margayd/ })
  writeFileSync(conf, readFileSync(conf, 'utf8').replace('1.0.0', '1.1.0'))
  t.match((await findFaults(at, config)).join('\n'), /cniVersion 1\.1\.0, which portmap does not speak/)
})

t.test(
  'a file that is no conflist is told without words of JavaScript, and a link that leads nowhere goes',
  async t => {
    const at = options(t.testdir())
    const [executable, conf] = install(at, config)
    for (const text of [
      'null',
      '[]',
      '{}',
      '{"plugins":5}',
      '{"plugins":[]}',
      '{"plugins":[null]}',
      '{"plugins":[{"type":5}]}',
    ]) {
      writeFileSync(conf, text)
      t.match(
        (await findFaults(at, config)).join('\n'),
        /10-margay\.conflist has no list of plugins, each with a type: run/,
        text,
      )
    }
    writeFileSync(conf, '{"cniVersion":"1.0.0","name":"a","plugins":[{"type":"margay-cni"},{"type":"../x"}]}')
    t.match((await findFaults(at, config)).join('\n'), /calls \.\.\/x, which is no name of an executable/)
    rmSync(executable)
    symlinkSync('/nowhere/margay-cni', executable)
    t.same(uninstall(at), [conf, executable])
  },
)

t.test('what a runtime would trip over', async t => {
  const at = options(t.testdir())
  const [executable, conf] = install(at, config)
  writeFileSync(join(at.confDir, '05-other.conflist'), '{}')
  writeFileSync(executable, 'another')
  writeFileSync(conf, JSON.stringify({ cniVersion: '2.0.0', name: 'x y', plugins: [{ type: 'margay-cni' }] }))
  t.match(
    (await findFaults(at, config)).join('\n'),
    /has cniVersion 2\.0\.0, which margay-cni does not speak.*\n.*has name "x y", which is no network name/,
  )
  writeFileSync(conf, '{ half')
  const faults = (await findFaults(at, config)).join('\n')
  t.match(faults, /05-other\.conflist comes before/)
  t.match(faults, /not the executable of this release/)
  t.match(faults, /10-margay\.conflist cannot be read/)
})

t.test('without an executable in place there is no configuration', async t => {
  const at = options(t.testdir({ opt: 'a file' }))
  t.throws(() => install(at, config), { message: /cannot be installed: ENOTDIR/ })
  t.notOk(existsSync(join(at.confDir, '10-margay.conflist')))
})

t.test('what no runtime could use is refused, and nothing is written', async t => {
  const at = options(t.testdir())
  for (const [wrong, message] of [
    [{ binDir: '/proc/x' }, /cannot be installed: ENOENT.*\/proc\/x/],
    [{ name: 'x y' }, /--name "x y" is no network name: use letters/],
    [{ cniVersion: '2.0.0' }, /--cni-version 2\.0\.0 is none that margay-cni speaks: take one of 0\.1\.0, /],
    [{ chain: 'nope' }, /--chain names nope, and there is no such executable in .*opt\/cni\/bin: install it/],
    [{ chain: 'margay-cni' }, /--chain names margay-cni, which is first anyhow/],
  ] as const) {
    t.throws(() => install({ ...at, ...wrong }, config), { message })
    t.notOk([at.binDir, at.confDir].some(existsSync))
  }
})

t.test('what only containerd under a kubelet needs is a note, and says for whom', async t => {
  const at = options(t.testdir())
  install(at, config)
  t.match(notesOn(at), [/loopback is not in .*containerd under a kubelet \(CRI\)/])
  writeFileSync(join(at.binDir, 'loopback'), '')
  t.same(notesOn(at), [])
})

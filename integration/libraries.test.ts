// The two libraries as npm would publish them: packed, installed into an empty project, and the examples of their READMEs run there,
// with types.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The TypeScript example of a README: its first ```js or ```ts block. */
function exampleOf(library: string): string {
  const text = readFileSync(join(root, library, 'README.md'), 'utf8')
  const [, code] = /```(?:ts|js)\n([\s\S]*?)```/.exec(text) ?? []
  return code
}

const projects = new Map<string, string>()

/** An empty project with one packed library in it, the same for every test; gone when all have ended. */
function project(library: string): string {
  const known = projects.get(library)
  if (known !== undefined) return known
  const folder = mkdtempSync(join(tmpdir(), `margay-${library}-`))
  projects.set(library, folder)
  t.teardown(() => rmSync(folder, { recursive: true }))
  const tarball = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: join(root, library),
    encoding: 'utf8',
  })
  writeFileSync(join(folder, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }\n')
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', `./${tarball.trim().split('\n').at(-1)}`], {
    cwd: folder,
  })
  return folder
}

/** Fails the test unless the example type-checks against the installed declarations. */
function typeCheck(folder: string): void {
  symlinkSync(join(root, 'node_modules/@types'), join(folder, 'node_modules/@types'))
  const flags = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node', 'example.ts']
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['--ignoreConfig', ...flags], { cwd: folder, stdio: 'pipe' })
}

const userLines = (code: string): number =>
  code.split('\n').filter(line => line.trim() !== '' && !line.trim().startsWith('//')).length

t.test('netlink-ts dumps the routing table', async t => {
  const folder = project('netlink')
  const code = exampleOf('netlink')
  t.ok(userLines(code) <= 15, 'in at most fifteen lines')
  writeFileSync(join(folder, 'example.ts'), code)
  t.doesNotThrow(() => typeCheck(folder), 'with types')
  const netns = `mgi-lib-${process.pid}`
  execFileSync('ip', ['netns', 'add', netns])
  t.teardown(() => execFileSync('ip', ['netns', 'del', netns]))
  execFileSync('ip', ['-netns', netns, 'link', 'set', 'lo', 'up'])
  execFileSync('ip', ['-netns', netns, 'route', 'add', '10.11.12.0/24', 'dev', 'lo'])
  const shown = execFileSync('ip', ['netns', 'exec', netns, process.execPath, 'example.ts'], {
    cwd: folder,
    encoding: 'utf8',
  })
  t.match(shown, /10\.11\.12\.0\/24/)
})

t.test('bgp-speaker has a session with BIRD and prints its routes', async t => {
  const folder = project('bgp')
  const code = exampleOf('bgp')
  t.ok(userLines(code) <= 15, 'in at most fifteen lines')
  writeFileSync(join(folder, 'example.ts'), code)
  t.doesNotThrow(() => typeCheck(folder), 'with types')
  const blocks = readFileSync(join(root, 'bgp/README.md'), 'utf8').matchAll(/(?:^ {4}.*\n)+/gm)
  const [bird] = [...blocks].map(([block]) => block).filter(block => block.includes('protocol bgp'))
  writeFileSync(join(folder, 'bird.conf'), bird)
  const [here, there] = [`mgi-bgp-${process.pid}`, `mgi-bird-${process.pid}`]
  for (const netns of [here, there]) {
    execFileSync('ip', ['netns', 'add', netns])
    t.teardown(() => execFileSync('ip', ['netns', 'del', netns]))
  }
  execFileSync('ip', ['-netns', here, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', there])
  for (const [netns, address] of [
    [here, '10.0.0.1/24'],
    [there, '10.0.0.2/24'],
  ]) {
    execFileSync('ip', ['-netns', netns, 'address', 'add', address, 'dev', 'eth0'])
    execFileSync('ip', ['-netns', netns, 'link', 'set', 'eth0', 'up'])
  }
  const run = (netns: string, ...command: string[]) =>
    spawn('ip', ['netns', 'exec', netns, ...command], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const daemon = run(there, 'bird', '-f', '-c', 'bird.conf', '-s', 'bird.ctl')
  const example = run(here, process.execPath, 'example.ts')
  t.teardown(() => {
    daemon.kill('SIGKILL')
    example.kill('SIGKILL')
  })
  const prefixes = [...bird.matchAll(/route ([\d.]+\/\d+)/g)].map(([, prefix]) => prefix)
  t.ok(prefixes.length > 0, 'the README’s bird.conf announces something')
  let shown = ''
  for await (const data of example.stdout) {
    shown += String(data)
    if (prefixes.every(prefix => shown.includes(prefix))) break
  }
  for (const prefix of prefixes) t.ok(shown.includes(prefix), prefix)
})

t.test('bgp-speaker runs by its name, and says so where a key needs a package that is not there', async t => {
  const folder = project('bgp')
  const bin = join(folder, 'node_modules/.bin/bgp-speaker')
  t.match(execFileSync(bin, ['--help'], { encoding: 'utf8' }), /bgp-speaker run FILE\.json/)
  const file = join(folder, 'router.json')
  const peer = { address: '127.0.0.2', remoteAs: 65002, passive: true }
  const write = (more: object) =>
    writeFileSync(
      file,
      JSON.stringify({ asn: 65001, routerId: '10.0.0.1', listenPort: 0, peers: { p: { ...peer, ...more } } }),
    )
  write({ secret: 'hush' })
  const refused = spawnSync(bin, ['run', file], { encoding: 'utf8' })
  t.equal(refused.status, 1)
  t.match(refused.stderr, /peer "p": secret is "\(not shown\)": .*; install netlink-ts beside bgp-speaker/)
  write({ address: undefined, interface: 'eth0' })
  const unfound = spawnSync(bin, ['run', file], { encoding: 'utf8' })
  t.match(unfound.stderr, /peer "p": interface is "eth0": .*netlink-ts .*has discovery\(\) by --discovery/)
  write({})
  const control = join(folder, 'control')
  const router = spawn(bin, ['run', file, '--control', control], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => router.kill('SIGKILL'))
  let told = ''
  for await (const data of router.stdout) {
    told += String(data)
    if (told.includes('"started"')) break
  }
  const shown = execFileSync(bin, ['ctl', control, 'show', 'peers'], { encoding: 'utf8' })
  t.match(shown, /p +127\.0\.0\.2 +65002 +Active/)
  execFileSync(bin, ['ctl', control, 'stop'])
  if (router.exitCode === null) await once(router, 'exit')
  t.equal(router.exitCode, 0)
})

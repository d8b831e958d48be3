import { mkdtempSync, rmSync, statSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { build } from './build.ts'

t.test('the addon is built once, and again when a source is newer', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'mgn-build-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const output = join(folder, 'deep', 'addon.node')
  t.equal(build(output), 'built')
  const made = statSync(output).mtimeMs
  t.equal(build(output), 'up to date')
  t.equal(statSync(output).mtimeMs, made)
  utimesSync(output, 0, 0)
  t.equal(build(output), 'built')
})

t.test('a missing compiler is named, with the next step', async t => {
  t.throws(() => build(join(tmpdir(), 'mgn-never.node'), 'mgn-no-such-cc'), {
    message: /needs a C compiler .* "mgn-no-such-cc" did not start .*\(apt-get install gcc libc6-dev\)/,
  })
})

import { execFileSync } from 'node:child_process'
import t from 'tap'
import { namespaceKind } from './namespace.ts'

t.test('a path is told for what it is', async t => {
  t.equal(await namespaceKind('/proc/self/ns/net'), 'host')
  t.equal(await namespaceKind('/run/netns/mgc-gone'), 'missing')
  t.equal(await namespaceKind(`${import.meta.filename}/below`), 'missing')
  t.equal(await namespaceKind(import.meta.filename), 'other')
  t.equal(await namespaceKind(`/${'x'.repeat(5_000)}`), 'unreadable')
  const loop = `${t.testdir({ loop: t.fixture('symlink', 'loop') })}/loop`
  t.equal(await namespaceKind(loop), 'unreadable')
})

t.test('a namespace made for a container', { skip: process.getuid?.() !== 0 && 'needs root' }, async t => {
  const name = `mgc-${process.pid}`
  execFileSync('ip', ['netns', 'add', name])
  t.teardown(() => execFileSync('ip', ['netns', 'delete', name]))
  t.equal(await namespaceKind(`/run/netns/${name}`), 'container')
})

// In programs of their own: an error that nobody catches ends one.

import { spawnSync } from 'node:child_process'
import t from 'tap'

/** What the program says, and how it ends. `in_(name, parent?)` makes a test's scope with a domain that says what it got. */
function program(text: string): { readonly said: readonly string[]; readonly code: number | null } {
  const head = `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { AsyncResource, Domain } from ${JSON.stringify(import.meta.resolve('./tap-domains.ts'))}
    const tests = {}
    const begin = name => {
      const test = new AsyncResource()
      test.runInAsyncScope(() => (tests[name] = new Domain((error, event) => console.log(name + ' got ' + error.message + ', ' + event))))
      return run => test.runInAsyncScope(run)
    }
    const fail = message => { throw new Error(message) }
  `
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', head + text], {
    encoding: 'utf8',
  })
  return { said: stdout.split('\n').filter(Boolean), code: status }
}

for (const { name, text, said, code = 0 } of [
  {
    name: 'a throw in a timer, and one in what a promise goes on with',
    text: `begin('a')(() => setTimeout(fail, 1, 'late')); begin('b')(() => void sleep(5).then(() => fail('later')))`,
    said: ['a got late, uncaughtException', 'b got later, unhandledRejection'],
  },
  {
    name: 'the inner of two, then the outer when the inner is over',
    text: `begin('outer')(() => begin('inner')(() => {
      setTimeout(fail, 1, 'during')
      setTimeout(() => tests.inner.destroy(), 5)
      setTimeout(fail, 10, 'after')
    }))`,
    said: ['inner got during, uncaughtException', 'outer got after, uncaughtException'],
  },
  {
    name: 'two side by side: each its own',
    text: `for (const name of ['a', 'b']) begin(name)(async () => { await sleep(name === 'a' ? 5 : 1); fail('of ' + name) })`,
    said: ['b got of b, unhandledRejection', 'a got of a, unhandledRejection'],
  },
  {
    name: 'outside of every test: the program ends as it would',
    text: `setTimeout(fail, 1, 'alone')`,
    said: [],
    code: 1,
  },
  {
    name: 'a rejection outside of every test: so, too',
    text: `void Promise.reject(new Error('alone'))`,
    said: [],
    code: 1,
  },
  {
    name: 'a test that listens itself',
    text: `process.once('uncaughtException', error => console.log('listener got ' + error.message)); begin('a')(() => setTimeout(fail, 1, 'x'))`,
    said: ['listener got x'],
  },
])
  t.test(name, async t => t.same(program(text), { said, code }))

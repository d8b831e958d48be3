import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openNodeStore } from './index.ts'
import { makeFolder } from './folder.ts'

t.test('a folder is made with all that lead to it, and it does no harm to ask again', async t => {
  const folder = join(t.testdir(), 'a/b/c')
  makeFolder(folder, 0o700)
  makeFolder(folder, 0o700)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  writeFileSync(join(folder, 'file'), '')
  t.throws(() => makeFolder(join(folder, 'file/d')), { code: 'ENOTDIR' })
  t.throws(() => makeFolder(join(folder, 'file')), { code: 'EEXIST' })
})

t.test('where there can be no folder, that is said', async t => {
  t.throws(() => makeFolder('/proc/margay/state'), { code: 'ENOENT' })
  t.notOk(existsSync('/proc/margay'))
  await t.rejects(openNodeStore('/proc/margay/state/node.db'), {
    message:
      /node store \/proc\/margay\/state\/node\.db: cannot be made .*there can be no folder in that place\. Name another path/,
  })
})

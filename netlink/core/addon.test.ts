import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'

/** The loader, copied to where there is no addon. */
async function elsewhere(t: {
  teardown(cleanUp: () => void): unknown
}): Promise<{ folder: string; addon: () => unknown }> {
  const folder = mkdtempSync(join(tmpdir(), 'mgn-addon-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const file of ['addon.ts', 'errno.ts']) cpSync(join(import.meta.dirname, file), join(folder, 'lib', file))
  const { addon } = (await import(pathToFileURL(join(folder, 'lib/addon.ts')).href)) as { addon: () => unknown }
  return { folder, addon }
}

t.test('a missing addon is refused with where it was looked for and how to build it', async t => {
  const { folder, addon } = await elsewhere(t)
  const name = `netlink-${process.platform}-${process.arch}.node`
  const places = [`${folder}/lib/${name}`, `${folder}/${name}`, `${folder}/dist/${name}`]
  t.throws(addon, {
    code: 'ENOENT',
    message: `netlink-ts finds no addon for ${process.platform}-${process.arch}; it looked for ${places.join(', ')}. Build it: node netlink/native/build.ts`,
  })
})

t.test('an addon that cannot be loaded is named', async t => {
  const { folder, addon } = await elsewhere(t)
  const path = join(folder, 'dist', `netlink-${process.platform}-${process.arch}.node`)
  mkdirSync(join(folder, 'dist'))
  writeFileSync(path, 'not a library')
  t.throws(addon, { code: 'ENOEXEC', message: new RegExp(`^netlink-ts could not load ${path}: `) })
})

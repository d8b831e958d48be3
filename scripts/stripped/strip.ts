// Writes each source of the project as plain JavaScript into build/stripped/, where hook.js finds it.

import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))

const sources = globSync('{inet,bgp,netlink,src,cni-plugin,integration,scripts}/**/*.ts', {
  exclude: path => /(^|\/)(dist|node_modules)$/.test(path),
})
for (const source of sources) {
  const into = join('build/stripped', source.replace(/\.ts$/, '.js'))
  mkdirSync(dirname(into), { recursive: true })
  writeFileSync(into, stripTypeScriptTypes(readFileSync(source, 'utf8')))
}

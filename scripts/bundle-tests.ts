// What only tests run as one file, because it is started hundreds of times. `npm test` makes it before it begins.
//
// node_modules/@tapjs/one.mjs: tap, of whose 350 files each test file would find and load all, with tap-domains.ts in it; beside tap's own,
// since stack traces leave out what is there; scripts/tap.ts puts it in the place of tap. build/bgp/dist/cli.js: the executable of
// bgp-speaker.

import { copyFileSync, existsSync, statSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import commonjsPlugin from '@rollup/plugin-commonjs'
import jsonPlugin from '@rollup/plugin-json'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { type Plugin, rollup } from 'rollup'
import { writeBundle } from './bundle.ts'

// Both declare their function as if it were a member of the module.
const commonjs = commonjsPlugin as unknown as () => Plugin
const json = jsonPlugin as unknown as () => Plugin

const modules = new URL('../node_modules/', import.meta.url).pathname
const oneTap = join(modules, '@tapjs/one.mjs')
const domains = fileURLToPath(new URL('tap-domains.ts', import.meta.url))
const ourDomains: Plugin = {
  name: 'our-domains',
  resolveId: (source, importer = '') =>
    source === 'async-hook-domain' || (source === 'async_hooks' && importer.includes('/@tapjs/core/')) ? domains : null,
  transform: (code, id) => (id === domains ? { code: stripTypeScriptTypes(code), map: null } : null),
}
const made = existsSync(oneTap) ? statSync(oneTap).mtimeMs : 0
// With node_modules it goes, and comes anew.
if ([domains, fileURLToPath(import.meta.url)].some(source => statSync(source).mtimeMs > made)) {
  const build = await rollup({
    input: join(modules, 'tap/dist/esm/index.js'),
    external: [/^node:/],
    plugins: [ourDomains, nodeResolve({ preferBuiltins: true }), commonjs(), json()],
    // Its parts import each other in circles, and mean to.
    onwarn: () => {},
  })
  await build.write({ file: oneTap, format: 'es' })
  await build.close()
}
await writeBundle({ entries: { cli: 'bgp/cli/main.ts' }, programs: new Set(['cli']), into: 'build/bgp/dist' })
copyFileSync('bgp/package.json', 'build/bgp/package.json')

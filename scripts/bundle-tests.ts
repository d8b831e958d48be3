// What only tests run as one file, because it is started hundreds of times. `npm test` makes it before it begins.
//
// node_modules/@tapjs/one.mjs: tap, of whose 350 files each test file would find and load all; beside tap's own, since stack traces leave
// out what is there; scripts/tap.ts puts it in the place of tap. build/bgp/dist/cli.js: the executable of bgp-speaker.

import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
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
// It goes with node_modules, and with them it comes anew.
if (!existsSync(oneTap)) {
  const build = await rollup({
    input: join(modules, 'tap/dist/esm/index.js'),
    external: [/^node:/],
    plugins: [nodeResolve({ preferBuiltins: true }), commonjs(), json()],
    // Its parts import each other in circles, and mean to.
    onwarn: () => {},
  })
  await build.write({ file: oneTap, format: 'es' })
  await build.close()
}
await writeBundle({ entries: { cli: 'bgp/cli/main.ts' }, programs: new Set(['cli']), into: 'build/bgp/dist' })
copyFileSync('bgp/package.json', 'build/bgp/package.json')

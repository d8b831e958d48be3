// Makes one file of tap, node_modules/@tapjs/one.mjs: to find and load its 350 takes longer than most of the test files run. Beside tap's own
// files, since stack traces leave out what is there. scripts/tap.ts puts it in the place of tap.

import commonjsPlugin from '@rollup/plugin-commonjs'
import jsonPlugin from '@rollup/plugin-json'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { type Plugin, rollup } from 'rollup'

// Both declare their function as if it were a member of the module.
const commonjs = commonjsPlugin as unknown as () => Plugin
const json = jsonPlugin as unknown as () => Plugin

const modules = new URL('../node_modules/', import.meta.url).pathname
const build = await rollup({
  input: `${modules}tap/dist/esm/index.js`,
  external: [/^node:/],
  plugins: [nodeResolve({ preferBuiltins: true }), commonjs(), json()],
  // Its parts import each other in circles, and mean to.
  onwarn: () => {},
})
await build.write({ file: `${modules}@tapjs/one.mjs`, format: 'es' })
await build.close()

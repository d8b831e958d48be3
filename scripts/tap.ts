// For `node --import`: tap from the one file that scripts/bundle-tests.ts makes.

import { registerHooks } from 'node:module'

const url = new URL('../node_modules/@tapjs/one.mjs', import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'tap' ? { url, format: 'module', shortCircuit: true } : next(specifier, context),
})

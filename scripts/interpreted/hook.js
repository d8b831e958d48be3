// For Node in an emulated machine: the emulator (QEMU 7.2, two processors) now and then runs machine code that V8 has already replaced,
// and Node ends with SIGTRAP or SIGSEGV. Interpreted (`--jitless`) it makes none. Then there is no WebAssembly either, and with it nothing
// that strips types: sources come as strip.ts has written them.

import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

registerHooks({
  load(url, context, next) {
    if (!url.endsWith('.ts') || !url.startsWith('file:')) return next(url, context)
    const source = fileURLToPath(url).slice(root.length).replace(/\.ts$/, '.js')
    return { format: 'module', source: readFileSync(`${root}build/interpreted/${source}`, 'utf8'), shortCircuit: true }
  },
})

// For Node in an emulated machine: sources come as strip.ts has written them. To strip their types takes seconds there, in each program.

import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

registerHooks({
  load(url, context, next) {
    if (!url.endsWith('.ts') || !url.startsWith('file:')) return next(url, context)
    const source = fileURLToPath(url).slice(root.length).replace(/\.ts$/, '.js')
    return { format: 'module', source: readFileSync(`${root}build/stripped/${source}`, 'utf8'), shortCircuit: true }
  },
})

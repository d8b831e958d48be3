// `npm run check`: types, lint with type-aware rules, formatting, and the direction of imports. All are run; any failure fails.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const checks: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types', 'node_modules/.bin/tsc', '-p', '.'],
  ['lint', 'node_modules/.bin/oxlint', '--type-aware', '--deny-warnings'],
  ['formatting', 'node_modules/.bin/prettier', '--check', '--log-level', 'warn', '.'],
  ['the direction of imports', process.execPath, 'scripts/floors.ts'],
]

let failed = 0
for (const [name, command, ...args] of checks) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  console.log(`${status === 0 ? '✔' : '✘'} ${name}`)
  if (status !== 0) failed++
}
process.exit(failed === 0 ? 0 : 1)

// The program at each end of a probe, made from probe-end.c when that is newer.

import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

const source = join(import.meta.dirname, 'probe-end.c')
const program = join(import.meta.dirname, '../../../build/probe-end')

/** Its path. Throws with the compiler's words if it cannot be made. */
export function probeEnd(): string {
  const made = statSync(program, { throwIfNoEntry: false })
  if (made && made.mtimeMs > statSync(source).mtimeMs) return program
  mkdirSync(dirname(program), { recursive: true })
  const half = `${program}.${process.pid}`
  execFileSync('cc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-o', half, source], { stdio: 'inherit' })
  renameSync(half, program)
  return program
}

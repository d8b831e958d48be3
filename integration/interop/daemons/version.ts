// A program's version, as it says itself.

import { spawnSync } from 'node:child_process'

/** Some write it to one stream, some to the other. */
export function versionOf(argv: readonly [string, ...string[]], pattern: RegExp): string {
  const [program, ...rest] = argv
  const { stdout, stderr, error } = spawnSync(program, rest, { encoding: 'utf8' })
  const version = pattern.exec(`${stdout}${stderr}`)?.[1]
  if (version === undefined) throw new Error(`${program} does not say its version: ${error ?? `${stdout}${stderr}`}`)
  return version
}

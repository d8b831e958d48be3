// Starts a lab's routers in their namespaces.

import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { start } from '../processes.ts'
import type { LabDir } from '../state.ts'
import { netnsOf, type RouterPlan } from '../topology.ts'
import { routerKinds } from './index.ts'

/** Writes the router's files and starts its daemons. */
export function startRouter(lab: LabDir, plan: RouterPlan): void {
  const kind = routerKinds[plan.kind]
  const dir = lab.host(plan.host)
  mkdirSync(dir, { recursive: true })
  for (const [name, text] of Object.entries(kind.render(plan, dir))) writeFileSync(join(dir, name), text)
  if (kind.owner) execFileSync('chown', ['-R', kind.owner, dir])
  for (const [name, argv] of Object.entries(kind.tools(dir))) writeTool(lab, plan.host, name, argv)
  for (const { role, argv } of kind.daemons(dir))
    start({
      netns: netnsOf(lab.name, plan.host),
      argv,
      log: lab.log(plan.host, role),
      record: join(lab.processes, `${plan.host}-${role}`),
    })
}

/** A command in the host's own bin directory, which `lab exec` puts first in PATH. */
export function writeTool(lab: LabDir, host: string, name: string, argv: readonly string[]): void {
  mkdirSync(lab.bin(host), { recursive: true })
  const file = join(lab.bin(host), name)
  writeFileSync(file, `#!/bin/sh\nexec ${argv.map(quote).join(' ')} "$@"\n`)
  chmodSync(file, 0o755)
}

const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

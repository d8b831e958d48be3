// Starts a lab's routers in their namespaces.

import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from '../output.ts'
import { isAlive, recorded, start } from '../processes.ts'
import type { LabDir } from '../state.ts'
import { netnsOf, type RouterPlan } from '../topology.ts'
import { until } from '../until.ts'
import { routerKinds } from './index.ts'

/** Milliseconds in which a daemon has to be ready. */
const patience = 15_000

/** Writes the router's files, starts those of its daemons that do not run, and resolves when all answer. Throws `LabError`. */
export async function startRouter(lab: LabDir, plan: RouterPlan, signal?: AbortSignal): Promise<void> {
  const kind = routerKinds[plan.kind]
  const dir = lab.host(plan.host)
  mkdirSync(dir, { recursive: true })
  for (const [name, text] of Object.entries(kind.render(plan, dir))) writeFileSync(join(dir, name), text)
  if (kind.owner) execFileSync('chown', ['-R', kind.owner, dir])
  for (const [name, argv] of Object.entries(kind.tools(dir))) writeTool(lab, plan.host, name, argv)
  for (const { role, argv, socket } of kind.daemons(plan, dir)) {
    const record = `${plan.host}-${role}`
    const running = recorded(lab.processes).get(record)
    if (running && isAlive(running)) continue
    // One that was killed leaves its socket behind.
    rmSync(socket, { force: true })
    const id = start({
      netns: netnsOf(lab.name, plan.host),
      argv,
      log: lab.log(plan.host, role),
      record: join(lab.processes, record),
    })
    await until(
      async () => {
        if (!isAlive(id)) throw new LabError(1, `${role} of ${plan.host} ended at once: ${lab.tail(plan.host, role)}`)
        return existsSync(socket)
      },
      patience,
      () =>
        new LabError(
          1,
          `${role} of ${plan.host} is not ready after ${patience / 1000} s: look into ${lab.log(plan.host, role)}.`,
        ),
      signal,
    )
  }
}

/** A command in the host's own bin directory, which `lab exec` puts first in PATH. */
export function writeTool(lab: LabDir, host: string, name: string, argv: readonly string[]): void {
  mkdirSync(lab.bin(host), { recursive: true })
  const file = join(lab.bin(host), name)
  writeFileSync(file, `#!/bin/sh\nexec ${argv.map(quote).join(' ')} "$@"\n`)
  chmodSync(file, 0o755)
}

const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

// What has to be true before a lab can be made. Each refusal is one sentence with the next step.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { networkOf } from '../../cni-plugin/protocol/caller.ts'
import { routerKinds } from './routers/index.ts'
import { LabError } from './output.ts'
import { run } from './run.ts'
import type { Topology } from './topology.ts'

/** Throws `LabError`. */
export async function preflight(topology: Topology): Promise<void> {
  requireRoot()
  requireMainNetwork()
  for (const kind of new Set(topology.routers.map(router => router.kind))) {
    const { programs, debianPackage } = routerKinds[kind]
    const missing = programs.find(program => !existsSync(program))
    if (missing)
      throw new LabError(
        1,
        `The lab has ${kind} routers, but ${missing} is not installed: apt-get install --no-install-recommends ${debianPackage}`,
      )
  }
  for (const [program, debianPackage] of tools)
    if (!searchPath.some(folder => existsSync(join(folder, program))))
      throw new LabError(
        1,
        `The lab needs ${program}, which is not installed: apt-get install --no-install-recommends ${debianPackage}`,
      )
  await requireKernel()
}

const tools = [
  ['ip', 'iproute2'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['ping', 'iputils-ping'],
] as const

const searchPath = (process.env['PATH'] ?? '').split(':')

export function requireRoot(): void {
  if (process.getuid?.() !== 0)
    throw new LabError(1, `A lab makes network namespaces, which only root may: run the same command with sudo.`)
}

/** The nodes' daemons answer only who is in their network namespace or in that of pid 1 (caller.ts), and a lab asks from outside. */
function requireMainNetwork(): void {
  if (networkOf('self') === networkOf(1)) return
  throw new LabError(
    1,
    'A lab is asked from the network namespace of pid 1, and this is another one: run the same command there, by nsenter --net=/proc/1/ns/net, or in a container without the pid namespace of its host.',
  )
}

/** Tries each kind of device in a namespace without a name, which goes with the shell that holds it. */
async function requireKernel(): Promise<void> {
  const tries = [
    ['network namespaces', 'CONFIG_NET_NS', 'true'],
    ['veth devices', 'CONFIG_VETH', 'ip link add name try0 type veth peer name try1'],
    ['bridges', 'CONFIG_BRIDGE', 'ip link add name try2 type bridge'],
  ] as const
  const script = tries.map(([, , command], i) => `${command} || exit ${100 + i}`).join('\n')
  try {
    await run(['unshare', '--net', 'sh', '-c', script])
  } catch (error) {
    const code = (error as { code?: unknown }).code
    const at = typeof code === 'number' && code >= 100 ? code - 100 : 0
    const [what, option] = tries[at] ?? tries[0]
    throw new LabError(
      1,
      `This kernel gives no ${what} (${option}): load the module, or use a kernel that has it, such as Debian's; in a container, run it with --privileged.`,
    )
  }
}

// A node's daemon goes and comes back.

import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { podDevices } from '../../kit/expect.ts'
import { eventually, type TestLab } from '../../kit/lab.ts'
import type { Scene } from './event.ts'

export const otherVersion = '9.9.9'

/**
 * Ends a node's daemon as `go` does, lets packets pass without it, starts it again and waits until it is itself again. Routes and
 * devices are then those of before. `margayd`: the file of another build.
 */
export async function restart(
  scene: Scene,
  node: string,
  go: (lab: TestLab, node: string) => Promise<void>,
  margayd?: string,
): Promise<void> {
  const { t, lab, probe } = scene
  const before = await held(lab, node)
  await go(lab, node)
  await probe.passing(300)
  lab.startNode(node, margayd)
  await isItself(lab, node)
  const { version, endpoints } = await lab.ask(node, '/v1/status', {})
  t.equal(version === otherVersion, margayd !== undefined, `${node} runs ${version}`)
  t.equal(endpoints, lab.topology.pods.filter(pod => pod.node === node).length, `${node} knows its pods`)
  t.same(await held(lab, node), before, `${node}: the kernel holds what it held before`)
}

/** Until a daemon answers, has its sessions, and all is in sync. */
export async function isItself(lab: TestLab, node: string): Promise<void> {
  await eventually(`${node} answers`, async () => lab.ask(node, '/v1/status', {}).catch(() => undefined), 60)
  await lab.established([node])
  await eventually(`${node} is in sync`, async () => (await lab.ask(node, '/v1/status', {})).inSync, 60)
}

async function held(lab: TestLab, node: string): Promise<unknown> {
  const routes = (await lab.routes(node)).map(route => JSON.stringify(route)).toSorted()
  return { routes, devices: await podDevices(lab, node) }
}

/** This tree's build with another version's number, made once per folder: the path of its daemon. */
export function otherBuild({ lab, folder }: Scene): string {
  const build = join(folder, 'build')
  const margayd = join(build, 'margayd.js')
  if (existsSync(build)) return margayd
  cpSync(dirname(lab.programs.margayd), build, { recursive: true })
  const files = readdirSync(build, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.js'))
  const changed = files.filter(file => {
    const text = readFileSync(join(build, file), 'utf8')
    const other = text.replace(/(const version = )(['"])[^'"]*\2/, `$1'${otherVersion}'`)
    writeFileSync(join(build, file), other)
    return other !== text
  })
  if (changed.length !== 1) throw new Error(`${changed.length} files of the build name its version`)
  return margayd
}

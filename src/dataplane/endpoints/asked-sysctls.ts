// Settings of its namespace that a pod asked for. Whether a value is one only the kernel knows.

import type { Endpoint } from '../../model/endpoint.ts'
import type { Kernel, Sysctl, SysctlName } from '../kernel.ts'
import { Refused } from './errors.ts'

export function askedOf({ sysctls = {} }: Pick<Endpoint, 'sysctls'>): readonly Sysctl[] {
  return Object.entries(sysctls).map(([name, value]) => ({ name: name as SysctlName, value }))
}

/**
 * Writes them, and gives them as the kernel shows them from then on, which may be other words for the same (`1024 65000` with a tab).
 * Throws `Refused` that names setting and value.
 */
export async function setAsked(
  kernel: Kernel,
  endpoint: Pick<Endpoint, 'sysctls' | 'netns'>,
  name: string,
): Promise<Pick<Endpoint, 'sysctls'>> {
  const asked = askedOf(endpoint)
  if (asked.length === 0) return {}
  for (const setting of asked) {
    const [failed] = await kernel.writeSysctls([setting], endpoint.netns)
    if (failed !== undefined)
      throw new Refused(
        'bad-request',
        `endpoint ${name}: ${failed.replace(setting.name, setting.name.replaceAll('/', '.'))}; give it another value, or leave it out`,
      )
  }
  const shown = await kernel.readSysctls(
    asked.map(setting => setting.name),
    endpoint.netns,
  )
  return { sysctls: Object.fromEntries(asked.map((setting, i) => [setting.name, shown[i] ?? setting.value])) }
}

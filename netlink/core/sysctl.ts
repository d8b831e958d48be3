// Sysctls of a network namespace. /proc/sys/net shows the namespace of the thread that opens it, so the addon reads and writes on
// a thread that has entered the namespace and ends afterwards.

import { addon } from './addon.ts'
import { errnoName, errnoText, NetlinkError } from './errno.ts'
import { entryRefused, type Namespace, openNamespace } from './namespace.ts'

/** One setting. `name`: as under /proc/sys, with slashes, because link names may have dots: `net/ipv4/conf/eth0.7/proxy_arp`. */
export interface Sysctl {
  readonly name: string
  readonly value: string | number
  /** That there is no such setting is no error. */
  readonly optional?: boolean
}

async function visit(
  netns: Namespace | undefined,
  list: readonly (string | undefined)[],
): Promise<(number | string)[]> {
  const opened = openNamespace(netns)
  try {
    const results = await addon().sysctls(opened.fd, list)
    if (typeof results === 'number') throw entryRefused(netns ?? 'self', results)
    return [...results]
  } finally {
    opened.close()
  }
}

function refusal(netns: Namespace | undefined, name: string, errno: number, value?: string): NetlinkError {
  const code = errnoName(errno)
  const where =
    netns === undefined ? '' : ` in network namespace ${typeof netns === 'number' ? `fd ${netns}` : `"${netns}"`}`
  const reason =
    code === 'ENOENT'
      ? 'there is no such setting (is the link there?)'
      : code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
        ? 'it may not be written'
        : code === 'EINVAL'
          ? 'the kernel does not accept the value'
          : errnoText(code)
  return new NetlinkError(
    code,
    `sysctl ${name}${value === undefined ? '' : ` = ${value}`}${where}: ${reason} (${code})`,
  )
}

function pathOf(name: string): string {
  if (name.startsWith('/') || name.split('/').some(part => part === '' || part === '.' || part === '..'))
    throw new NetlinkError('EINVAL', `sysctl "${name}" is no name under /proc/sys, such as net/ipv4/ip_forward`)
  return `/proc/sys/${name}`
}

/**
 * Writes settings in order, all in one visit to the namespace. Every one is tried.
 * @returns the errors of those that failed, in order; empty when all is well
 * @throws NetlinkError if the namespace cannot be entered
 */
export async function writeSysctls(netns: Namespace | undefined, settings: readonly Sysctl[]): Promise<NetlinkError[]> {
  const results = await visit(
    netns,
    settings.flatMap(({ name, value }) => [pathOf(name), String(value)]),
  )
  return results.flatMap((result, i) =>
    typeof result === 'number' && result !== 0 && !(settings[i].optional && errnoName(result) === 'ENOENT')
      ? [refusal(netns, settings[i].name, result, String(settings[i].value))]
      : [],
  )
}

/** Writes one setting. @throws NetlinkError */
export async function writeSysctl(netns: Namespace | undefined, name: string, value: string | number): Promise<void> {
  const [failed] = await writeSysctls(netns, [{ name, value }])
  if (failed) throw failed
}

/** Reads settings in one visit: text without the closing newline, or why it could not be read. */
export async function readSysctls(
  netns: Namespace | undefined,
  names: readonly string[],
): Promise<(string | NetlinkError)[]> {
  const results = await visit(
    netns,
    names.flatMap(name => [pathOf(name), undefined]),
  )
  return results.map((result, i) => (typeof result === 'string' ? result.trimEnd() : refusal(netns, names[i], result)))
}

/** Reads one setting. @throws NetlinkError */
export async function readSysctl(netns: Namespace | undefined, name: string): Promise<string> {
  const [result] = await readSysctls(netns, [name])
  if (typeof result !== 'string') throw result
  return result
}

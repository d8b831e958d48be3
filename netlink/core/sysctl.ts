// Sysctls of a network namespace. /proc/sys/net shows the namespace of the thread that opens it, so the thread of all visits reads and
// writes them.

import { errnoName, errnoText, NetlinkError } from './errno.ts'
import { entryRefused, type Namespace } from './namespace.ts'
import { littleEndian } from './protocol.ts'
import { filesOf } from './visit.ts'

/** One setting. `name`: as under /proc/sys, with slashes, because link names may have dots: `net/ipv4/conf/eth0.7/proxy_arp`. */
export interface Sysctl {
  readonly name: string
  readonly value: string | number
  /** That there is no such setting is no error. */
  readonly optional?: boolean
}

/** What files like `"r" path NUL` and `"w" path NUL value NUL` say, in order: text, or an errno, 0 for what was written. */
async function visit(netns: Namespace | undefined, list: readonly string[]): Promise<(number | string)[]> {
  if (list.length === 0) return []
  const pages: Uint8Array[] = []
  const { code } = await filesOf(netns, Buffer.from(list.join('')), bytes => pages.push(bytes))
  if (code !== 0) throw entryRefused(netns ?? 'self', code)
  const bytes = pages.length === 1 ? pages[0] : Buffer.concat(pages)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  return list.map(one => {
    const [errno, length] = [view.getUint32(at, littleEndian), view.getUint32(at + 4, littleEndian)]
    const text = at + 8
    at = text + length
    return errno !== 0 || one.startsWith('w') ? errno : Buffer.from(bytes.subarray(text, at)).toString()
  })
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

/** The addon's texts end with a NUL. */
function clean(name: string, text: string): string {
  if (text.includes('\0'))
    throw new NetlinkError('EINVAL', `sysctl ${JSON.stringify(name)}: neither name nor value has a NUL in it`)
  return text
}

function pathOf(name: string): string {
  if (name.startsWith('/') || name.split('/').some(part => part === '' || part === '.' || part === '..'))
    throw new NetlinkError('EINVAL', `sysctl "${name}" is no name under /proc/sys, such as net/ipv4/ip_forward`)
  return `/proc/sys/${clean(name, name)}`
}

/**
 * Writes settings in order, all in one visit to the namespace. Every one is tried.
 * @returns the errors of those that failed, in order; empty when all is well
 * @throws NetlinkError if the namespace cannot be entered
 */
export async function writeSysctls(netns: Namespace | undefined, settings: readonly Sysctl[]): Promise<NetlinkError[]> {
  const results = await visit(
    netns,
    settings.map(({ name, value }) => `w${pathOf(name)}\0${clean(name, String(value))}\0`),
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
    names.map(name => `r${pathOf(name)}\0`),
  )
  return results.map((result, i) => (typeof result === 'string' ? result.trimEnd() : refusal(netns, names[i], result)))
}

/** Reads one setting. @throws NetlinkError */
export async function readSysctl(netns: Namespace | undefined, name: string): Promise<string> {
  const [result] = await readSysctls(netns, [name])
  if (typeof result !== 'string') throw result
  return result
}

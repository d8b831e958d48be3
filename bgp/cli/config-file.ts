// The configuration file of the executable: JSON, with the names of `SpeakerConfig`, policies by name, and keys by reference.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseAddress } from '../../inet/index.ts'
import type { StationOptions } from '../bmp/index.ts'
import { checkPolicyAt } from '../core/check-policy.ts'
import { wrongIn } from '../core/check-origination.ts'
import { issueText } from '../speaker.ts'
import {
  acceptAll,
  type ConfigIssue,
  type Origination,
  type Policy,
  rejectAll,
  type SpeakerConfig,
  type PeerConfig,
  type TcpAoKey,
} from '../types.ts'
import {
  file,
  type FileConfig,
  type FilePeer,
  type FileSecret,
  type FileTcpAoKey,
  type FileTemplate,
  type PolicyHere,
} from './fields.ts'
import type { MrtConfig } from './mrt-files.ts'
import { nearest } from './nearest.ts'
import { collect, type Complain, join } from './shape.ts'
import { writtenTwice } from './twice.ts'

export interface RouterConfig {
  readonly speaker: SpeakerConfig
  readonly announce: readonly Origination[]
  readonly mrt: MrtConfig
  readonly bmp: readonly StationOptions[]
}

/** Everything that is wrong with a file; the message has a line for each. */
export class FileError extends Error {
  constructor(name: string, issues: readonly ConfigIssue[]) {
    super(issues.map(issue => `${name}: ${issueText(issue)}`).join('\n'))
    this.name = 'FileError'
  }
}

/** Reads the file, and what it refers to. Throws a FileError. */
export function readConfig(path: string, environment: NodeJS.ProcessEnv = process.env): RouterConfig {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (error) {
    throw new FileError(path, [
      {
        field: 'the file',
        value: path,
        reason: `it cannot be read (${codeOf(error)})`,
        fix: 'check its name and rights',
      },
    ])
  }
  return parseConfig(content, path, environment)
}

/** `path` is where the content comes from: messages name it, and other files are looked for beside it. */
export function parseConfig(content: string, path: string, environment: NodeJS.ProcessEnv): RouterConfig {
  const issues: ConfigIssue[] = []
  const complain = collect(issues)
  let document: unknown
  try {
    document = JSON.parse(content)
  } catch (error) {
    const reason = `it is no JSON: ${error instanceof Error ? error.message : String(error)}`
    throw new FileError(path, [{ field: 'the file', value: path, reason, fix: 'mend it there' }])
  }
  for (const field of writtenTwice(content)) {
    const reason = 'it is written twice here, and only one can be meant'
    complain({ field, value: '(not shown)', reason, fix: 'keep one of the two, or give it another name' })
  }
  const given = file.read(document, '', complain)
  if (!given || issues.length > 0) throw new FileError(path, issues)
  for (const [name, one] of Object.entries(given.policies ?? {})) {
    for (const issue of checkPolicyAt({ ...one, name }, join('policies', name), false)) complain(issue)
  }
  const references: References = { folder: dirname(resolve(path)), environment, policies: policiesOf(given), complain }
  const result = resolved(given, references)
  if (issues.length > 0) throw new FileError(path, issues)
  return result
}

interface References {
  readonly folder: string
  readonly environment: NodeJS.ProcessEnv
  readonly policies: ReadonlyMap<string, Policy>
  readonly complain: Complain
}

function resolved(
  { peers = {}, dynamic, policies: _policies, announce = [], mrt = {}, bmp = [], ...rest }: FileConfig,
  references: References,
): RouterConfig {
  const all = Object.entries(peers).map(([name, one]) => [name, peerOf(one, join('peers', name), references)] as const)
  const routes = announce.map(one => (typeof one === 'string' ? { prefix: one } : one))
  for (const [i, station] of bmp.entries()) checkStation(station, `bmp[${i}]`, references.complain)
  for (const field of ['every', 'rotate'] as const) {
    const seconds = mrt[field] ?? 1
    if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 86400) continue
    const fix = 'give 1 to 86400 seconds'
    references.complain({ field: `mrt.${field}`, value: seconds, reason: 'it is no time between two files', fix })
  }
  const known = new Set<string>()
  for (const [i, route] of routes.entries()) {
    const issue = wrongIn(route)
    if (issue) references.complain({ ...issue, field: `announce[${i}]${issue.field && `.${issue.field}`}` })
    else if (known.has(route.prefix)) {
      const reason = 'it is announced by another entry already'
      references.complain({ field: `announce[${i}]`, value: route.prefix, reason, fix: 'remove one of the two' })
    }
    known.add(route.prefix)
  }
  const ranges = dynamic?.map((range, i) => ({
    ...range,
    template: peerOf(range.template, `dynamic[${i}].template`, references),
  }))
  return { speaker: { ...rest, peers: new Map(all), dynamic: ranges }, announce: routes, mrt, bmp }
}

function checkStation(station: StationOptions, at: string, complain: Complain): void {
  const { address, port, statistics = 0, retry = 1, mostWaiting = 1048576 } = station
  if (!parseAddress(address)) {
    complain({ field: `${at}.address`, value: address, reason: 'it is no IP address', fix: 'write it like 10.0.1.1' })
  }
  for (const [field, value, least, most] of [
    ['port', port, 1, 65535],
    ['statistics', statistics, 0, 86400],
    ['retry', retry, 1, 720],
    ['mostWaiting', mostWaiting, 1048576, 2 ** 40],
  ] as const) {
    if (Number.isInteger(value) && value >= least && value <= most) continue
    complain({ field: `${at}.${field}`, value, reason: 'it is out of range', fix: `give ${least} to ${most}` })
  }
}

function policiesOf({ policies = {} }: FileConfig): Map<string, Policy> {
  const own = Object.entries(policies).map(([name, one]) => [name, { ...one, name }] as const)
  return new Map([[acceptAll.name, acceptAll], [rejectAll.name, rejectAll], ...own])
}

function peerOf<T extends FileTemplate>(given: T, at: string, references: References) {
  const { secretFile: _secretFile, secretEnv: _secretEnv, import: into, export: out, tcpAo, ...peer } = given
  return {
    ...peer,
    import: policiesAt(into, join(at, 'import'), references),
    export: policiesAt(out, join(at, 'export'), references),
    secret: secretOf(given, at, references),
    tcpAo: tcpAo?.map((key, i) => tcpAoKeyOf(key, `${join(at, 'tcpAo')}[${i}]`, references)),
  }
}

function tcpAoKeyOf(given: FileTcpAoKey, at: string, references: References): TcpAoKey {
  const { secretFile: _secretFile, secretEnv: _secretEnv, ...key } = given
  return { ...key, secret: secretOf(given, at, references) ?? '' }
}

function policiesAt(given: FilePeer['import'], at: string, references: References): PeerConfig['import'] {
  if (!isList(given)) return policyOf(given, at, references, true)
  return given.flatMap((one, i) => policyOf(one, `${at}[${i}]`, references, i === given.length - 1) ?? [])
}

function isList(given: FilePeer['import']): given is readonly PolicyHere[] {
  return Array.isArray(given)
}

function policyOf(
  given: PolicyHere | undefined,
  at: string,
  { policies, complain }: References,
  isLast: boolean,
): Policy | undefined {
  if (typeof given === 'object') {
    const policy = { ...given, name: at }
    for (const issue of checkPolicyAt(policy, at, isLast)) complain(issue)
    return policy
  }
  const found = given === undefined ? undefined : policies.get(given)
  if (given === undefined || found) return found
  const near = nearest(given, policies.keys())
  const fix = near === undefined ? `write it under "policies"` : `did you mean ${near}?`
  return complain({ field: at, value: given, reason: 'there is no policy of that name', fix })
}

function secretOf(
  { secret, secretFile, secretEnv }: FileSecret,
  at: string,
  { folder, environment, complain }: References,
): string | undefined {
  if ([secret, secretFile, secretEnv].filter(one => one !== undefined).length > 1) {
    const reason = 'the key is given more than once'
    complain({ field: at, value: '(not shown)', reason, fix: 'keep one of secret, secretFile and secretEnv' })
  }
  if (secretEnv !== undefined) {
    const found = environment[secretEnv]
    if (found !== undefined) return found
    const reason = 'the environment has no such variable'
    complain({ field: join(at, 'secretEnv'), value: secretEnv, reason, fix: 'set it, or correct its name' })
  }
  if (secretFile === undefined) return secret
  try {
    return readFileSync(resolve(folder, secretFile), 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    const reason = `it cannot be read (${codeOf(error)})`
    return complain({ field: join(at, 'secretFile'), value: secretFile, reason, fix: 'check its name and rights' })
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}
